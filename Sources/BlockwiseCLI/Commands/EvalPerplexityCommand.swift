public import ArgumentParser
import Blockwise
public import BlockwiseEvaluation
import Foundation

extension PerplexityEvaluation.Mode: ExpressibleByArgument {}

/// `blockwise eval perplexity`
struct EvalPerplexityCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "perplexity",
    abstract: "Measure how well a model predicts texts.",
    discussion: """
      Every file is one text, or with --lines one text per line; of .jsonl files the texts are what the lines have under \
      'text'. Every token is predicted, the first one from the start token (or the end of text, where the tokenizer has \
      no start token). Windows of --window tokens move by --stride; a token is scored once, in the first window that \
      has it. Bits per byte compare models with different tokenizers.

      Masked diffusion models have no such likelihood: of every window random tokens are masked, --draws times, and what \
      is reported is the bound that such models are trained on, with the standard error of the draws.

      Examples:
        blockwise eval perplexity Models/tasks/stories.jsonl
        blockwise eval perplexity --model ~/models/Qwen2.5-0.5B --window 1024 --stride 512 book.txt --json
        blockwise eval perplexity --model ~/models/LLaDA-8B --draws 32 book.txt
      """)

  @OptionGroup var measured: MeasuredModel

  @Argument(help: "Files of UTF-8 text; - is standard input.", completion: .file())
  var files: [String]

  @Flag(name: .long, help: "Every line of a file is a text of its own.")
  var lines = false

  @Option(
    name: .long, parsing: .unconditional, help: "Tokens of a window. (default: 512, or what the context has)")
  var window: Int?

  @Option(
    name: .long, parsing: .unconditional, help: "Tokens by which windows move. (default: half of a window)")
  var stride: Int?

  @Option(name: .long, parsing: .unconditional, help: "Draws of masks per window, for masked models.")
  var draws = 16

  @Option(name: .long, parsing: .unconditional, help: "Where the draws of masks begin.")
  var seed: UInt64 = 0

  @Option(
    name: .long,
    help: "How texts are scored. (values: autoregressive, masked; default: what the model is made for)")
  var mode: PerplexityEvaluation.Mode?

  @OptionGroup var output: OutputArguments

  func validate() throws {
    do {
      _ = try evaluation(contextLength: .max)
    } catch {
      throw ValidationError("--" + error.description)
    }
  }

  private func evaluation(contextLength: Int) throws(BenchmarkError) -> PerplexityEvaluation {
    let window = window ?? max(1, min(512, contextLength - 1))
    return try PerplexityEvaluation(
      windowLength: window, stride: stride ?? max(1, window / 2), drawCount: draws, seed: seed, mode: mode)
  }

  func run() async throws {
    let texts = try files.flatMap(texts)
    guard texts.contains(where: { !$0.isEmpty }) else { throw UsageError("there is no text in the files") }
    let model = try await measured.load()
    let progress = ProgressLine("Scoring")
    defer { progress.end() }
    let report = try await evaluation(contextLength: model.contextLength).run(model, texts: texts) {
      progress.update("Scoring \($0)/\(texts.count)")
    }
    progress.end()
    if output.json {
      try StandardStream.output.write(json: Self.json(report, model: model))
    } else {
      try StandardStream.output.write(Self.text(report, model: model))
    }
  }

  private func texts(_ path: String) throws -> [String] {
    var text = try TextInput.text(try TextInput.file(path), from: path)
    if text.hasPrefix("\u{FEFF}") { text.removeFirst() }
    if path.hasSuffix(".jsonl") {
      return try TextInput.lines(text).enumerated().compactMap { index, line in
        guard !line.isEmpty else { return nil }
        do {
          return try JSONValue(parsing: String(line)).string("text")
        } catch {
          throw TaskFileError(path: path, line: index + 1, problem: "\(error)")
        }
      }
    }
    return lines ? TextInput.lines(text).filter { !$0.isEmpty }.map(String.init) : [text]
  }

  /// The contract of `eval perplexity --json`.
  private static func json(_ report: PerplexityEvaluation.Report, model: LanguageModel) -> JSONValue {
    [
      "model": .string(model.path),
      "mode": .string(report.mode.rawValue),
      "documents": .integer(Int64(report.documentCount)),
      "tokens": .integer(Int64(report.tokenCount)),
      "bytes": .integer(Int64(report.byteCount)),
      "loss": .number(report.loss),
      "loss_error": report.mode == .masked ? .number(report.lossError) : .null,
      "perplexity": .number(report.perplexity),
      "bits_per_byte": .number(report.bitsPerByte),
      "is_bound": .bool(report.mode == .masked),
    ]
  }

  private static func text(_ report: PerplexityEvaluation.Report, model: LanguageModel) -> String {
    let spread = report.mode == .masked ? " ± \(fixed(report.lossError, 4)) (an upper bound)" : ""
    return """
      \(model.path): \(report.documentCount) texts, \(report.tokenCount) tokens, \(report.byteCount) bytes

      nats per token   \(fixed(report.loss, 4))\(spread)
      perplexity       \(fixed(report.perplexity, 3))
      bits per byte    \(fixed(report.bitsPerByte, 4))

      """
  }
}
