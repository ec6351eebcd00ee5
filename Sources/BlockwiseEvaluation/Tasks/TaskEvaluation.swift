public import Blockwise
internal import BlockwiseFiles
internal import Foundation

/// Asks a model held-out questions through its chat template and judges the answers.
public struct TaskEvaluation: Sendable {
  /// The questions.
  public var tasks: [EvaluationTask]
  /// How answers are generated; the end tokens of the chat template are added.
  public var options: GenerationOptions
  /// Runs programs that the model writes; nil leaves those tasks out.
  public var pythonRunner: PythonRunner?
  /// Questions that are answered at the same time; their passes are merged where they meet.
  public var parallelCount = 1

  /// An evaluation with greedy answers of at most `maximumTokenCount` tokens.
  public init(
    _ tasks: [EvaluationTask], options: GenerationOptions = GenerationOptions(maximumTokenCount: 160),
    pythonRunner: PythonRunner? = nil
  ) {
    self.tasks = tasks
    self.options = options
    self.pythonRunner = pythonRunner
  }

  /// One answer.
  public struct Answer: Sendable, Hashable {
    /// The question's name.
    public var id: String
    /// The task that it belongs to.
    public var task: String
    /// What the model said, special tokens included.
    public var text: String
    /// Whether it is right.
    public var isRight: Bool
    /// Whether it is nothing but a well-formed list; nil where no list is asked for.
    public var isStrictList: Bool?
    /// New tokens, the end included.
    public var tokenCount: Int
    /// Passes that brought them, those over the prompt not counted.
    public var forwardCount: Int
    /// Rows of those passes.
    public var rowCount: Int
    /// Their shapes.
    public var passes: [PassShape]
    /// Their time and that of all that was decided between them.
    public var seconds: Double
  }

  /// The answers to one task.
  public struct Result: Sendable, Hashable {
    /// The task.
    public var task: String
    /// Questions.
    public var count = 0
    /// Right answers.
    public var rightCount = 0
    /// Right answers that are well-formed lists; nil where no list is asked for.
    public var strictCount: Int?
    /// New tokens of all answers.
    public var tokenCount = 0
    /// Passes of all answers, those over the prompts not counted.
    public var forwardCount = 0
    /// Rows of those passes.
    public var rowCount = 0
    /// Time from the prompts' ends to the answers' ends.
    public var seconds = 0.0

    /// The share of right answers.
    public var accuracy: Double { Double(rightCount) / Double(max(1, count)) }
    /// The standard error of that share, √(p(1 − p)/n).
    public var standardError: Double { (accuracy * (1 - accuracy) / Double(max(1, count))).squareRoot() }
  }

  /// What came out.
  public struct Report: Sendable, Hashable {
    /// Every answer, in the order of the questions.
    public var answers: [Answer]
    /// One entry per task, in the order of their first questions.
    public var results: [Result]
    /// Questions that were left out because programs were not to be run.
    public var skippedCount: Int
    /// From the first question to the last answer. With several at the same time it is less than the sum of their times.
    public var wallSeconds: Double

    /// The mean of the tasks' accuracies.
    public var meanAccuracy: Double { results.reduce(0) { $0 + $1.accuracy } / Double(max(1, results.count)) }
    /// Its standard error, the tasks being independent.
    public var meanStandardError: Double {
      results.reduce(0) { $0 + $1.standardError * $1.standardError }.squareRoot()
        / Double(max(1, results.count))
    }
  }

  /// Asks everything. Answers do not depend on how many questions are answered at the same time.
  /// - Parameters:
  ///   - model: a model with a chat template.
  ///   - progress: called with the number of answers so far.
  /// - Throws: ``TaskFailure``, `CancellationError`.
  public func run(_ model: LanguageModel, progress: (Int) -> Void = { _ in }) async throws -> Report {
    let start = ContinuousClock.now
    let asked = tasks.filter { !$0.check.needsCode || pythonRunner != nil }
    let sessions = try (0..<min(max(1, parallelCount), max(1, asked.count))).map { _ in try model.session() }
    var answers = [Answer?](repeating: nil, count: asked.count)
    try await withThrowingTaskGroup(of: (session: Int, question: Int, answer: Answer).self) { group in
      var begun = 0
      func begin(_ session: Int) {
        guard begun < asked.count else { return }
        let question = begun
        begun += 1
        group.addTask {
          try Task.checkCancellation()
          do {
            return (session, question, try await answer(asked[question], model, sessions[session]))
          } catch {
            if error is CancellationError { throw error }
            throw TaskFailure(id: asked[question].id, reason: "\(error)")
          }
        }
      }
      for session in sessions.indices { begin(session) }
      var answered = 0
      while let next = try await group.next() {
        answers[next.question] = next.answer
        answered += 1
        progress(answered)
        begin(next.session)
      }
    }
    let all = answers.compactMap { $0 }
    return Report(
      answers: all, results: Self.results(all), skippedCount: tasks.count - asked.count,
      wallSeconds: (ContinuousClock.now - start) / .seconds(1))
  }

  private func answer(
    _ task: EvaluationTask, _ model: LanguageModel, _ session: Session
  ) async throws -> Answer {
    let chat = ChatOptions(tools: task.tools)
    var options = model.chatGeneration(options, chat)
    options.showsSpecialTokens = true
    let tokens = try model.chatTokens(task.messages, options: chat)
    let generation = try await session.complete(tokens: tokens, options: options)
    try Task.checkCancellation()
    let text = generation.text
    let isRight =
      if case .python(let tests) = task.check {
        pythonRunner?.passes(text, tests: tests) ?? false
      } else {
        task.check.accepts(text)
      }
    var isStrict: Bool?
    // An index task asks for an item, not for a list.
    if case .list = task.check { isStrict = isRight && ListCheck.isStrict(text) }
    let end = generation.finishReason == .stop ? 1 : 0
    return Answer(
      id: task.id, task: task.name, text: text, isRight: isRight, isStrictList: isStrict,
      tokenCount: generation.tokens.count + end, forwardCount: generation.statistics.forwardCount,
      rowCount: generation.statistics.rowCount, passes: generation.statistics.passes,
      seconds: generation.statistics.decodeSeconds)
  }

  static func results(_ answers: [Answer]) -> [Result] {
    var results: [Result] = []
    var places: [String: Int] = [:]
    for answer in answers {
      let place = places[answer.task] ?? results.count
      if place == results.count {
        places[answer.task] = place
        results.append(Result(task: answer.task))
      }
      results[place].count += 1
      results[place].rightCount += answer.isRight ? 1 : 0
      if let isStrict = answer.isStrictList {
        results[place].strictCount = (results[place].strictCount ?? 0) + (isStrict ? 1 : 0)
      }
      results[place].tokenCount += answer.tokenCount
      results[place].forwardCount += answer.forwardCount
      results[place].rowCount += answer.rowCount
      results[place].seconds += answer.seconds
    }
    return results
  }
}

/// A question that could not be asked: the model has no chat template, the context is too short.
public struct TaskFailure: Error, Sendable, Hashable, CustomStringConvertible {
  /// The question.
  public var id: String
  /// What went wrong.
  public var reason: String

  /// Question and reason.
  public var description: String { "\(id): \(reason)" }
}
