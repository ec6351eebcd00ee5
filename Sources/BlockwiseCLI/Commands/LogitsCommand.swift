import ArgumentParser
import Blockwise
import BlockwiseEvaluation
import BlockwiseKernels
import Foundation

/// `blockwise logits`
struct LogitsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logits",
    abstract: "Evaluate a block of tokens and write its logits.",
    discussion: """
      The first --prefix tokens become a committed causal prefix in the cache, the others one block of rows with the \
      given visibility. The file holds one f32 tensor 'logits' [rows of the block, vocabulary].

      Visibility: causal; bidirectional; block-causal:B (query q sees key k iff k/B ≤ q/B); context-causal:S (rows \
      before S are causal, rows from S on see everything); tree:P0,P1,… (parents by index of the block's rows, -1 is \
      the last prefix token).

      Examples:
        blockwise logits --model base --tokens 1,403,407 --out logits.safetensors
        blockwise logits --model llada --tokens 5,6,7,8,9,10 --prefix 2 --visibility bidirectional --out f.safetensors
        blockwise logits --model base --tokens 1,2,3,4 --prefix 1 --visibility tree:-1,0,0 --out tree.safetensors
      """)

  @OptionGroup var name: ModelName

  @Option(
    name: .long, help: ArgumentHelp("Prefix and block.", valueName: "1,2,3"), transform: TokenList.parse)
  var tokens: [TokenID]

  @Option(name: .long, parsing: .unconditional, help: "How many of the tokens are the committed prefix.")
  var prefix = 0

  @Option(
    name: .long,
    help: ArgumentHelp("Which keys the rows of the block see. (default: causal)", valueName: "visibility"),
    transform: VisibilityArgument.parse)
  var visibility: Visibility = .causal

  @Option(name: [.short, .customLong("out")], help: "The safetensors file to write.", completion: .file())
  var out: String

  @Option(name: .long, help: "Arithmetic.")
  var compute = ModelLoadOptions.Compute.f32

  @Option(name: .long, help: "How keys and values are kept.")
  var cacheType = CacheFormat.f32

  @OptionGroup var computing: ComputeArguments
  @OptionGroup var output: OutputArguments

  func validate() throws {
    if out == "-" {
      throw ValidationError("--out is -, and a tensor cannot be written to standard output; name a file")
    }
    guard (0..<tokens.count).contains(prefix) else {
      throw ValidationError(
        "--prefix is \(prefix), expected 0 to \(tokens.count - 1) for \(tokens.count) tokens")
    }
    if case .ancestors(let parents) = visibility, parents.count != tokens.count - prefix {
      throw ValidationError(
        "--visibility names \(parents.count) parents, and the block has \(tokens.count - prefix) rows")
    }
  }

  func run() async throws {
    // No text is involved: a checkpoint without a tokenizer will do.
    let source = try ModelSource(path: try name.path())
    // The weights are mapped from their files: none of them may be what the logits replace.
    let files = Set(try source.weights.names.map { try source.weights.tensor(named: $0).file })
    let target = URL(fileURLWithPath: out).resolvingSymlinksInPath()
    if files.contains(where: { URL(fileURLWithPath: $0).resolvingSymlinksInPath() == target }) {
      throw UsageError("--out \(out) is a file of the model itself")
    }
    let progress = ProgressLine("Loading \(name.model)")
    defer { progress.end() }
    let network = try await LanguageModel.loadNetwork(
      source, options: try computing.options(compute: compute, cacheType: cacheType)
    ) { progress.update("Loading \(name.model) \(Int($0 * 100)) %") }
    progress.end()
    let result = try await BlockLogits.evaluate(
      network, tokens: tokens, prefixLength: prefix, visibility: visibility)
    try result.write(to: out)
    if output.json {
      try StandardStream.output.write(json: [
        "out": .string(out), "rows": .integer(Int64(result.rowCount)),
        "vocabulary": .integer(Int64(result.vocabularyCount)),
      ])
    } else {
      StandardStream.error.note("\(out): logits [\(result.rowCount), \(result.vocabularyCount)]")
    }
  }
}
