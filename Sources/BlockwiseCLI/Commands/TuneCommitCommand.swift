import ArgumentParser
import Blockwise
import BlockwiseEvaluation
import Foundation

/// `blockwise tune commit`
struct TuneCommitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "commit",
    abstract: "Find how many masks a pass may fill.",
    discussion: """
      Every line of the prompts is a message to the model, or with --plain a text that it continues. Three quarters of them \
      train a filter (Learn2PD): a small network that looks at the probabilities of a block and says which predictions \
      are final. On the others thresholds, factors and the filter are measured. The one with the fewest passes that gives the answers \
      of one token per pass often enough is written as a recipe, which --recipe @FILE takes.

      Examples:
        blockwise tune commit --model base-diffusion --prompts prompts.txt --out recipe.txt --filter filter.safetensors
        blockwise generate --model base-diffusion --recipe @recipe.txt --chat "Repeat: a b c"
      """)

  @OptionGroup var measured: MeasuredModel

  @Option(name: .long, help: "A file with a prompt on every line; - is standard input.", completion: .file())
  var prompts: String

  @Flag(name: .long, help: "Prompts are texts to continue, not messages.")
  var plain = false

  @Option(name: .shortAndLong, help: "Where the recipe is written.", completion: .file())
  var out: String

  @Option(
    name: .long, help: "Where a trained filter is written. (default: none is trained)", completion: .file())
  var filter: String?

  @Option(name: .long, help: ArgumentHelp("The slots beside commit.", valueName: "recipe"))
  var recipe: String?

  @Option(name: .long, parsing: .unconditional, help: "The share of answers that must stay the same.")
  var target = 0.95

  @Option(name: .long, parsing: .unconditional, help: "At most this many new tokens per prompt.")
  var maxTokens = 128

  @OptionGroup var output: OutputArguments

  func validate() throws {
    if maxTokens < 1 { throw ValidationError("--max-tokens is \(maxTokens), expected at least 1") }
    if !(0...1).contains(target) {
      throw ValidationError("--target is \(target), expected a share from 0 to 1")
    }
    if let filter, filter.contains(where: { " ,()".contains($0) }) {
      throw ValidationError(
        "--filter: a recipe cannot hold spaces, commas or parentheses, and \(filter) does")
    }
  }

  func run() async throws {
    for path in [out, filter].compactMap(\.self) { try WritablePlace.check(path) }
    let text = try TextInput.text(TextInput.file(prompts), from: prompts)
    let lines = TextInput.lines(text).filter { !$0.isEmpty }.map(String.init)
    guard !lines.isEmpty else { throw UsageError("\(prompts) holds no prompts") }
    let model = try await measured.load()
    guard model.traits.contextMask != .causal else {
      throw UsageError(
        "\(measured.name.model) fills no masks, so there is nothing to tune; --model base-diffusion does")
    }
    let recipe = try model.recipe(MethodArguments.text(of: recipe))
    let tokens = try lines.map { line in
      try plain
        ? model.promptTokens(line)
        : model.chatTokens([.user(line)], options: ChatOptions())
    }
    var tuning: CommitTuning
    do {
      tuning = try CommitTuning(
        prompts: tokens, recipe: recipe, maximumTokenCount: maxTokens, target: target, filterPath: filter)
    } catch {
      throw UsageError("--" + error.description)
    }
    if !plain { tuning.options = model.chatGeneration(tuning.options, ChatOptions()) }
    if filter != nil, recipe.block.gridSize == nil {
      throw UsageError("--filter needs blocks of one size, and block=\(recipe.block.text) makes others")
    }
    let progress = ProgressLine("Tuning")
    defer { progress.end() }
    let report = try await tuning.run(model) { progress.update("\($0) \(Int($1 * 100)) %") }
    progress.end()
    var file = try AtomicFile(path: out)
    try file.write(Array((report.best.recipe + "\n").utf8))
    try file.finish()
    if output.json {
      try StandardStream.output.write(json: Self.json(report))
    } else {
      try StandardStream.output.write(Self.table(report) + "\(report.best.recipe)\nis written to \(out)\n")
    }
  }

  private static func json(_ report: CommitTuning.Report) -> JSONValue {
    func json(_ row: CommitTuning.Row) -> JSONValue {
      [
        "commit": .string(row.commit), "recipe": .string(row.recipe), "same_share": .number(row.sameShare),
        "tokens": .integer(Int64(row.tokenCount)), "forwards": .integer(Int64(row.forwardCount)),
        "seconds": .number(row.seconds),
      ]
    }
    return [
      "rows": .array(report.rows.map(json)), "best": json(report.best), "oracle": json(report.oracle),
      "records": .integer(Int64(report.recordCount)), "held_out": .integer(Int64(report.heldOutCount)),
    ]
  }

  private static func table(_ report: CommitTuning.Report) -> String {
    var table = TextTable(["commit", "same answers %", "tokens/pass", "passes", "seconds"])
    for row in report.rows + [report.oracle] {
      table.append([
        row.commit, fixed(100 * row.sameShare, 1), fixed(row.tokensPerForward, 2), "\(row.forwardCount)",
        fixed(row.seconds, 2),
      ])
    }
    return "\(report.heldOutCount) held-out prompts\n" + table.lines.joined(separator: "\n") + "\n"
  }
}
