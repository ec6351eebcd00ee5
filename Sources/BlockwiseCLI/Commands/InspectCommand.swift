import ArgumentParser
import Blockwise

/// `blockwise inspect`
struct InspectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what a model is: architecture, traits, tensors, tokenizer, and how it can be decoded.",
    discussion: """
      Reads headers and configuration only, so that it is quick for models of any size. What this version cannot run \
      is shown with the reason, and so are weights that no kernel for their own type computes with ("fallback"): they \
      take more memory than in the file, or every pass decodes them. (The JSON names each of these tensors.)

      Examples:
        blockwise inspect
        blockwise inspect ~/models/Qwen3-0.6B --tensors
        blockwise inspect model.gguf --json
        blockwise inspect base --card
      """)

  @Argument(
    help: ArgumentHelp(
      "A Hugging Face folder, a GGUF file, or the name of a shipped model.", valueName: "name|path"),
    completion: .file())
  var path: String?

  @Option(
    name: [.short, .long], help: ArgumentHelp("The same, as other commands take it.", visibility: .hidden))
  var model: String?

  @Flag(name: .long, help: "List every tensor. (The JSON always has them.)")
  var tensors = false

  @Flag(name: .long, help: "Show the model's card, what its makers say of it, and nothing else.")
  var card = false

  @OptionGroup var output: OutputArguments

  func validate() throws {
    if path != nil, model != nil { throw ValidationError("give the model once") }
    if card, tensors || output.json {
      throw ValidationError("--card is text alone; the JSON of the report has the card without it")
    }
  }

  func run() async throws {
    let name = path ?? model ?? ModelLocator.defaultName
    let source = try ModelSource(path: ModelName.locator.path(for: name))
    if card {
      guard let card = ModelCard(source) else {
        throw CardMissing(description: "\(source.path) has no card: there is no README.md that belongs to it")
      }
      return try StandardStream.output.write(card.text.hasSuffix("\n") ? card.text : card.text + "\n")
    }
    let report = try InspectReport(
      source, kernelVariant: ComputeArguments.kernelVariant(), costCurves: CacheFolder.url)
    if output.json {
      try StandardStream.output.write(json: report.json)
    } else {
      try StandardStream.output.write(report.text(listsTensors: tensors))
    }
  }
}

/// A card was asked for, and there is none.
private struct CardMissing: Error, CustomStringConvertible {
  let description: String
}
