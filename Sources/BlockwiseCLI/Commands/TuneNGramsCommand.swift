import ArgumentParser
import Blockwise
import BlockwiseEvaluation
import Foundation

/// `blockwise tune ngrams`
struct TuneNGramsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ngrams",
    abstract: "Count what the model answers, to guess ahead by.",
    discussion: """
      The model answers the prompts, the most likely token each time, and what follows the last one to five tokens is counted. The \
      table is used where its file is called draft.ngrams and lies beside the model, or NAME-draft.ngrams beside \
      NAME.gguf, or where --draft ngram:FILE asks for it. Texts do not change; they come faster where the model is asked for \
      things like the prompts. Every sixteenth prompt is left out and measured in the end.

      Prompts are lines of text, or of .jsonl files "messages" (through the chat template), "prompt", or the first 16 tokens of "text".
      With --answers every answer is kept as soon as it is there, and what the file holds is not written again.

      Examples:
        blockwise tune ngrams --model q05.gguf --prompts questions.jsonl --out q05-draft.ngrams --answers answers.jsonl
        blockwise generate --model q05.gguf --chat "What is a pen?" --stats
      """)

  @OptionGroup var measured: MeasuredModel

  @Option(
    name: .long, help: "A file of prompts; - is standard input. Can be repeated.", completion: .file())
  var prompts: [String]

  @Option(name: .shortAndLong, help: "Where the table is written.", completion: .file())
  var out: String

  @Option(
    name: .long, help: "Where answers are kept, and found when the command is given again.",
    completion: .file())
  var answers: String?

  @Option(name: .long, parsing: .unconditional, help: "Tokens of the longest context, 1 to 8.")
  var length = 5

  @Option(name: .long, parsing: .unconditional, help: "At most so many KiB.")
  var size = 1024

  @Option(name: .long, parsing: .unconditional, help: "At most this many new tokens per prompt.")
  var maxTokens = 160

  @Option(name: .long, parsing: .unconditional, help: "Answer so many prompts at the same time.")
  var parallel = 16

  @OptionGroup var output: OutputArguments

  func validate() throws {
    if maxTokens < 1 { throw ValidationError("--max-tokens is \(maxTokens), expected at least 1") }
    if !(1...8).contains(length) { throw ValidationError("--length is \(length), expected 1 to 8") }
    if !(1...1 << 20).contains(size) { throw ValidationError("--size is \(size), expected 1 to \(1 << 20)") }
    if !(1...256).contains(parallel) {
      throw ValidationError("--parallel is \(parallel), expected 1 to 256")
    }
  }

  /// Prompts that the table is measured on, at most.
  private static let measuredCount = 32

  func run() async throws {
    for path in [out, answers].compactMap(\.self) { try WritablePlace.check(path) }
    let lines = try prompts.map { try PromptLines($0) }
    let known = try answers.map { try KnownAnswers($0) }
    let model = try await measured.load()
    guard model.traits.isAutoregressive else {
      throw UsageError(
        "\(measured.name.model) fills masks; guesses ahead are for models that write left to right")
    }
    let tokens = try lines.flatMap { try $0.tokens(model) }
    var options = GenerationOptions(maximumTokenCount: maxTokens)
    options.stopTokens = model.chatGeneration(options, ChatOptions()).stopTokens
    options.method = .autoregressive
    let tuning: NGramTuning
    do {
      tuning = try NGramTuning(
        prompts: tokens, options: options, parallelCount: parallel, length: length, byteLimit: size << 10)
    } catch {
      throw UsageError("--" + error.description)
    }
    let progress = ProgressLine("Answering")
    defer { progress.end() }
    let table = try await tuning.run(
      model, known: known?.answers ?? [], progress: { progress.update("Answering \(Int($0 * 100)) %") },
      keep: { try known?.append($0) })
    try table.write(to: out)
    let results = try await measure(model, tuning, progress)
    progress.end()
    let size = (try? FileManager.default.attributesOfItem(atPath: out)[.size] as? Int) ?? 0
    if output.json {
      try StandardStream.output.write(
        json: [
          "table": .string(out), "bytes": .integer(Int64(size)),
          "contexts": .integer(Int64(table.contextCount)),
          "counted_tokens": .integer(Int64(table.countedCount)),
          "prompts": .integer(Int64(tokens.count)),
          "results": .array(results.map(Self.json)),
        ])
    } else {
      try StandardStream.output.write(
        "\(table.contextCount) contexts of \(table.countedCount) tokens, \(size >> 10) KiB, are written to \(out)\n"
          + Self.text(results))
    }
  }

  /// Plain decoding and guesses by the table on prompts that it does not know.
  private func measure(
    _ model: LanguageModel, _ tuning: NGramTuning, _ progress: ProgressLine
  ) async throws -> [PromptBenchmark.Result] {
    let prompts = Array(tuning.heldOutPrompts.prefix(Self.measuredCount))
    if prompts.isEmpty { return [] }
    var guessing = tuning.options
    guessing.method = .speculative
    guessing.draft = "ngram:\"\(out)\""
    let benchmark = try PromptBenchmark(
      prompts: prompts,
      ways: [.init(name: "ar", options: tuning.options), .init(name: "ngram", options: guessing)])
    return try await benchmark.run(model) { progress.update("Measuring \(Int($0 * 100)) %") }
  }

  private static func json(_ result: PromptBenchmark.Result) -> JSONValue {
    [
      "name": .string(result.name), "prompts": .integer(Int64(result.seconds.count)),
      "tokens": .integer(Int64(result.tokenCount)), "forwards": .integer(Int64(result.forwardCount)),
      "rows": .integer(Int64(result.rowCount)), "seconds": .number(result.totalSeconds),
    ]
  }

  private static func text(_ results: [PromptBenchmark.Result]) -> String {
    guard results.count == 2 else { return "" }
    let gain = results[0].totalSeconds / max(1e-9, results[1].totalSeconds)
    return
      "On \(results[0].seconds.count) held-out prompts \(fixed(gain, 2)) times as fast as plain decoding, "
      + "\(fixed(results[1].tokensPerForward, 2)) tokens per pass\n"
  }
}

/// Answers in a file of JSON lines, which grows with every new one.
private struct KnownAnswers {
  private(set) var answers: [NGramTuning.Answer] = []
  private let file: AppendedLines

  init(_ path: String) throws {
    var kept = 0
    if FileManager.default.fileExists(atPath: path) {
      let text = try TextInput.text(try TextInput.file(path), from: path)
      // A command that was ended while it wrote leaves half a line.
      let whole = text.utf8.lastIndex(of: UInt8(ascii: "\n")).map { text.utf8[...$0] } ?? text.utf8.prefix(0)
      kept = whole.count
      for (index, line) in whole.split(separator: UInt8(ascii: "\n")).enumerated() {
        do {
          let json = try JSONValue(parsing: Array(line))
          answers.append(
            NGramTuning.Answer(
              prompt: try Self.tokens(json, "prompt"), tokens: try Self.tokens(json, "answer")))
        } catch {
          throw StreamError.cannotRead(file: path, reason: "line \(index + 1): \(error)")
        }
      }
    }
    file = try AppendedLines(path: path, kept: kept)
  }

  private static func tokens(_ json: JSONValue, _ key: String) throws -> [TokenID] {
    try json.array(key).map { value in
      guard let number = value.integerValue, let token = Int32(exactly: number), token >= 0 else {
        throw UsageError("\(key) has a value that is no token")
      }
      return TokenID(token)
    }
  }

  func append(_ answer: NGramTuning.Answer) throws {
    func json(_ tokens: [TokenID]) -> JSONValue { .array(tokens.map { .integer(Int64($0.rawValue)) }) }
    let line: JSONValue = ["prompt": json(answer.prompt), "answer": json(answer.tokens)]
    try file.append(line.text())
  }
}
