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

      Prompts are lines of text, or of .jsonl files (and of standard input, where it begins with a brace) "messages" (through the chat template), "prompt", or the first 16 tokens of "text".
      With --answers every answer is kept as soon as it is there, and what the file holds is not written again; \
      it goes with one model and one --max-tokens.

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

  @Option(name: .long, parsing: .unconditional, help: "At most so many KiB, a header of 1.5 KiB apart.")
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
    if out.contains("\"") {
      throw ValidationError("--out has a double quote, and --draft ngram:FILE could not name it")
    }
    if answers == "-" { throw ValidationError("--answers is a file, which is read and written") }
  }

  /// Prompts that the table is measured on, at most.
  private static let measuredCount = 32

  func run() async throws {
    for path in [out, answers].compactMap(\.self) { try WritablePlace.check(path) }
    // A slip must not cost a model or the prompts.
    if FileManager.default.fileExists(atPath: out), (try? NGramTable(path: out)) == nil {
      throw ModelFileError.cannotWrite(path: out, reason: "it exists and is no table of n-grams")
    }
    if let answers,
      URL(fileURLWithPath: answers).standardizedFileURL == URL(fileURLWithPath: out).standardizedFileURL
    {
      throw UsageError("--out and --answers are the same file")
    }
    let lines = try prompts.map { try PromptLines($0) }
    let model = try await measured.load()
    guard model.traits.isAutoregressive else {
      throw UsageError(
        "\(measured.name.model) fills masks; guesses ahead are for models that write left to right")
    }
    let tokens = try lines.flatMap { try $0.tokens(model) }
    let known = try answers.map { try KnownAnswers($0, header: header(model)) }
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
    let table: NGramTable
    do {
      table = try await tuning.run(
        model, known: known?.answers ?? [], progress: { progress.update("Answering \(Int($0 * 100)) %") },
        keep: { try known?.append($0) })
    } catch let error as BenchmarkError {
      throw UsageError("--" + error.description)
    }
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
          "prompts": .integer(Int64(tuning.prompts.count)),
          "results": .array(results.map(Self.json)),
        ])
    } else {
      try StandardStream.output.write(
        "\(table.contextCount) contexts of \(table.countedCount) tokens, \(size >> 10) KiB, are written to \(out)\n"
          + Self.text(results))
    }
  }

  /// What answers depend on beside the prompt.
  private func header(_ model: LanguageModel) -> JSONValue {
    [
      "format": "blockwise answers 1",
      "model": .string(URL(fileURLWithPath: model.path).lastPathComponent),
      "vocabulary_hash": .string(String(model.vocabularyFingerprint.hash, radix: 16)),
      "weight_bytes": .integer(Int64(model.summary.weightByteCount)),
      "max_tokens": .integer(Int64(maxTokens)),
      "compute": .string(measured.compute.rawValue),
    ]
  }

  /// Plain decoding and guesses by the table on prompts that it does not know.
  private func measure(
    _ model: LanguageModel, _ tuning: NGramTuning, _ progress: ProgressLine
  ) async throws -> [PromptBenchmark.Result] {
    let heldOut = tuning.heldOutPrompts
    if heldOut.isEmpty { return [] }
    // Some of everything, where the prompts are in some order.
    let stride = max(1, (heldOut.count + Self.measuredCount - 1) / Self.measuredCount)
    let prompts = heldOut.indices.filter { $0 % stride == 0 }.map { heldOut[$0] }
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
    guard results.count == 2 else {
      return "Of fewer than 16 prompts none is held out, and nothing is measured\n"
    }
    guard results[0].forwardCount > 0 else {
      return "The held-out answers take no pass, and nothing is measured\n"
    }
    let count = results[0].seconds.count
    let gain = results[0].totalSeconds / max(1e-9, results[1].totalSeconds)
    return
      "On \(count) held-out \(count == 1 ? "prompt" : "prompts") \(fixed(gain, 2)) times as fast as plain decoding, "
      + "\(fixed(results[1].tokensPerForward, 2)) tokens per pass\n"
  }
}

/// Answers in a file of JSON lines, which grows with every new one; the first line says what they depend on.
private final class KnownAnswers {
  private(set) var answers: [NGramTuning.Answer] = []
  private let file: AppendedLines
  /// The first line, while it is still to be written.
  private var header: JSONValue?

  init(_ path: String, header: JSONValue) throws {
    func refuse(_ line: Int, _ reason: String) -> StreamError {
      StreamError.cannotRead(file: path, reason: "line \(line): \(reason)")
    }
    var kept = 0
    self.header = header
    if FileManager.default.fileExists(atPath: path) {
      let text = try TextInput.text(try TextInput.file(path), from: path)
      // A command that was ended while it wrote leaves half a line.
      let whole = text.utf8.lastIndex(of: UInt8(ascii: "\n")).map { text.utf8[...$0] } ?? text.utf8.prefix(0)
      kept = whole.count
      let lines = whole.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
      for (index, line) in lines.enumerated() {
        do {
          let json = try JSONValue(parsing: Array(line))
          if index == 0 {
            guard json == header else {
              throw refuse(
                1,
                "expected \(header.text()): these are answers of another model or with another --max-tokens, or none"
              )
            }
            self.header = nil
          } else {
            answers.append(
              NGramTuning.Answer(
                prompt: try Self.tokens(json, "prompt"), tokens: try Self.tokens(json, "answer")))
          }
        } catch let error as StreamError {
          throw error
        } catch {
          throw refuse(index + 1, "\(error)")
        }
      }
      guard self.header == nil || text.isEmpty || header.text().hasPrefix(text) else {
        throw refuse(1, "it holds something else than answers")
      }
    }
    file = AppendedLines(path: path, kept: kept)
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
    if let header {
      try file.append(header.text())
      self.header = nil
    }
    func json(_ tokens: [TokenID]) -> JSONValue { .array(tokens.map { .integer(Int64($0.rawValue)) }) }
    let line: JSONValue = ["prompt": json(answer.prompt), "answer": json(answer.tokens)]
    try file.append(line.text())
  }
}
