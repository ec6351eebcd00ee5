import ArgumentParser
import Blockwise
import BlockwiseEvaluation
import Foundation

/// `blockwise eval tasks`
struct EvalTasksCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tasks",
    abstract: "Ask held-out questions and judge the answers.",
    discussion: """
      Questions come from files of JSON lines (training/data/README.md says how they are written and judged); without \
      --tasks those that come with Blockwise. The model needs a chat template. Answers are the most likely tokens. \
      Accuracies come with their standard errors.

      Python that the model writes runs only with --run-code: in a separate process with two seconds of processor time, \
      512 MiB of memory, no files and no network. Without it those questions are left out.

      Examples:
        blockwise eval tasks --group list,json
        blockwise eval tasks --model ~/models/Qwen2.5-0.5B-Instruct --limit 20 --answers answers.jsonl
        blockwise eval tasks --run-code --json
      """)

  @OptionGroup var measured: MeasuredModel

  @Option(
    name: .long, help: "A file of JSON lines or a folder of them. (default: those of Blockwise)",
    completion: .file())
  var tasks: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Only tasks of these groups, the part of their names before /.", valueName: "list,json"))
  var group: String?

  @Option(name: .long, parsing: .unconditional, help: "At most this many questions per task.")
  var limit: Int?

  @Option(name: .long, parsing: .unconditional, help: "At most this many new tokens per answer.")
  var maxTokens = 160

  @Flag(name: .long, help: "Run the Python that the model writes, in a limited process.")
  var runCode = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "How tokens are decided: auto, ar, speculative or diffusion.", valueName: "method"))
  var decode = DecodeMethod.auto

  @Option(
    name: .long,
    help: ArgumentHelp("How masks are filled; see 'generate'.", valueName: "recipe"))
  var recipe: String?

  @Option(
    name: .long, help: ArgumentHelp("Where guesses come from; see 'generate'.", valueName: "sources"))
  var draft: String?

  @Option(
    name: .long, parsing: .unconditional,
    help: "Answer so many questions at the same time, in common passes; answers stay the same.")
  var parallel = 1

  @Option(name: .long, help: "Write every answer to a file, as JSON lines.", completion: .file())
  var answers: String?

  @Option(
    name: .long, help: "Write the passes of every answer to a file, for 'bench decode --replay'.",
    completion: .file())
  var trace: String?

  @OptionGroup var output: OutputArguments

  func validate() throws {
    if group?.isEmpty == true { throw ValidationError("--group is empty") }
    if let limit, limit < 1 { throw ValidationError("--limit is \(limit), expected at least 1") }
    try MethodArguments.check(decode, recipe: recipe, draft: draft)
    if decode == .ar, recipe != nil { throw ValidationError("--recipe needs --decode diffusion or auto") }
    if !(1...256).contains(parallel) {
      throw ValidationError("--parallel is \(parallel), expected 1 to 256")
    }
    if maxTokens < 1 { throw ValidationError("--max-tokens is \(maxTokens), expected at least 1") }
  }

  func run() async throws {
    let questions = try questions()
    let runner = runCode ? try PythonRunner() : nil
    let model = try await measured.load()
    let progress = ProgressLine("Asking")
    defer { progress.end() }
    var options = GenerationOptions(
      method: decode.method, maximumTokenCount: maxTokens)
    options.draft = draft
    options.recipe = try MethodArguments.text(of: recipe)
    var decision = try model.decision(for: options)
    var evaluation = TaskEvaluation(questions, options: options, pythonRunner: runner)
    evaluation.parallelCount = parallel
    let report = try await evaluation.run(model) { progress.update("Asking \($0)/\(questions.count)") }
    progress.end()
    // What turned out not to be usable is known now.
    decision = try model.decision(for: options)
    if let note = decision.note { StandardStream.error.note("Note: \(note).") }
    if let answers { try Self.write(report, to: answers) }
    if let trace { try Self.writeTraces(report, decision, to: trace) }
    if report.skippedCount > 0 {
      StandardStream.error.note(
        "Note: \(report.skippedCount) questions whose answers are programs were left out; --run-code runs them."
      )
    }
    if output.json {
      try StandardStream.output.write(json: Self.json(report, model: model, decision: decision))
    } else {
      try StandardStream.output.write(Self.table(report, decision: decision))
    }
  }

  private func questions() throws -> [EvaluationTask] {
    guard let path = tasks ?? ModelName.locator.tasksFolder else {
      throw UsageError(
        "the questions that come with Blockwise were not found; name a file or folder with --tasks")
    }
    var questions = try EvaluationTask.load(path)
    if let group {
      let wanted = Set(group.split(separator: ",").map(String.init))
      let known = Set(questions.map(\.group))
      if let other = wanted.subtracting(known).sorted().first {
        throw UsageError("there is no group '\(other)'; there are \(known.sorted().joined(separator: ", "))")
      }
      questions.removeAll { !wanted.contains($0.group) }
    }
    if let limit {
      var counts: [String: Int] = [:]
      questions.removeAll { question in
        counts[question.name, default: 0] += 1
        return counts[question.name, default: 0] > limit
      }
    }
    guard !questions.isEmpty else { throw UsageError("there are no questions in \(path)") }
    if !runCode, questions.allSatisfy({ $0.check.needsCode }) {
      throw UsageError("all answers are programs, which only --run-code runs")
    }
    return questions
  }

  private static func write(_ report: TaskEvaluation.Report, to path: String) throws {
    let lines = report.answers.map { answer -> String in
      let json: JSONValue = [
        "id": .string(answer.id), "right": .bool(answer.isRight), "answer": .string(answer.text),
      ]
      return json.text() + "\n"
    }
    var file = try AtomicFile(path: path)
    try file.write(Array(lines.joined().utf8))
    try file.finish()
  }

  private static func writeTraces(
    _ report: TaskEvaluation.Report, _ decision: MethodDecision, to path: String
  ) throws {
    let method = decision.recipe.isEmpty ? decision.method : decision.recipe
    let lines = report.answers.map { answer in
      PassTrace(method: method, tokenCount: answer.tokenCount, passes: answer.passes).json.text() + "\n"
    }
    var file = try AtomicFile(path: path)
    try file.write(Array(lines.joined().utf8))
    try file.finish()
  }

  /// The contract of `eval tasks --json`.
  private static func json(
    _ report: TaskEvaluation.Report, model: LanguageModel, decision: MethodDecision
  ) -> JSONValue {
    [
      "model": .string(model.path),
      "decode": [
        "method": .string(decision.method), "recipe": .string(decision.recipe),
        "lossy": .bool(decision.isLossy),
      ],
      "tasks": .array(
        report.results.map { result in
          [
            "task": .string(result.task),
            "questions": .integer(Int64(result.count)),
            "accuracy": .number(result.accuracy),
            "standard_error": .number(result.standardError),
            "strict_accuracy": result.strictCount.map { .number(Double($0) / Double(result.count)) } ?? .null,
            "tokens": .integer(Int64(result.tokenCount)),
            "forwards": .integer(Int64(result.forwardCount)),
            "rows": .integer(Int64(result.rowCount)),
            "seconds": .number(result.seconds),
          ]
        }),
      "mean_accuracy": .number(report.meanAccuracy),
      "mean_standard_error": .number(report.meanStandardError),
      "wall_seconds": .number(report.wallSeconds),
      "skipped": .integer(Int64(report.skippedCount)),
    ]
  }

  private static func table(_ report: TaskEvaluation.Report, decision: MethodDecision) -> String {
    var table = TextTable([
      "task", "questions", "accuracy %", "± %", "strict %", "tokens/pass", "passes", "seconds",
    ])
    for result in report.results {
      let strict = result.strictCount.map { fixed(100 * Double($0) / Double(result.count), 1) } ?? ""
      let perPass = Double(result.tokenCount) / Double(max(1, result.forwardCount))
      table.append([
        result.task, "\(result.count)", fixed(100 * result.accuracy, 1), fixed(100 * result.standardError, 1),
        strict, fixed(perPass, 2), "\(result.forwardCount)", fixed(result.seconds, 2),
      ])
    }
    table.append([
      "mean of \(report.results.count)", "", fixed(100 * report.meanAccuracy, 1),
      fixed(100 * report.meanStandardError, 1), "", "",
      "\(report.results.reduce(0) { $0 + $1.forwardCount })",
      fixed(report.results.reduce(0) { $0 + $1.seconds }, 2),
    ])
    let method = decision.recipe.isEmpty ? decision.method : "\(decision.method) \(decision.recipe)"
    return "decode: \(method)\n" + table.lines.joined(separator: "\n")
      + "\nfirst question to last answer: \(fixed(report.wallSeconds, 2)) s\n"
  }
}
