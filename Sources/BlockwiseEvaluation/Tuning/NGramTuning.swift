public import Blockwise
internal import BlockwiseFiles

/// Counts what a model answers, so that its next answers can be guessed ahead (``NGramTable``).
public struct NGramTuning: Sendable {
  /// What to answer; no prompt twice.
  public private(set) var prompts: [[TokenID]]
  /// How it is answered; greedy unless said otherwise.
  public var options: GenerationOptions
  /// Prompts that are answered at the same time.
  public var parallelCount: Int
  /// Tokens of the longest context.
  public var length: Int
  /// Bytes of the table's file, but for the header.
  public var byteLimit: Int

  /// Every so many-th prompt is kept from the table, to measure it by.
  private static let heldOutStride = 16

  /// A tuning.
  /// - Parameter prompts: each is answered once, however often it occurs.
  /// - Throws: ``BenchmarkError/option(name:found:expected:)``.
  public init(
    prompts: [[TokenID]], options: GenerationOptions, parallelCount: Int = 16, length: Int = 5,
    byteLimit: Int = 1 << 20
  ) throws(BenchmarkError) {
    try BenchmarkError.check("parallel", [parallelCount], in: 1...256)
    try BenchmarkError.check("length", [length], in: 1...8)
    var seen: Set<[TokenID]> = []
    self.prompts = prompts.filter { seen.insert($0).inserted }
    if self.prompts.isEmpty {
      throw .option(name: "prompts", found: "empty", expected: "at least one prompt")
    }
    self.options = options
    self.parallelCount = parallelCount
    self.length = length
    self.byteLimit = byteLimit
  }

  /// A prompt and what the model wrote behind it, the end included.
  public struct Answer: Sendable, Hashable {
    /// The prompt.
    public var prompt: [TokenID]
    /// The answer.
    public var tokens: [TokenID]

    /// An answer that was written before.
    public init(prompt: [TokenID], tokens: [TokenID]) {
      self.prompt = prompt
      self.tokens = tokens
    }
  }

  /// Prompts that the table is not to know; none where there are too few.
  public var heldOutPrompts: [[TokenID]] {
    prompts.indices.filter { $0 % Self.heldOutStride == Self.heldOutStride - 1 }.map { prompts[$0] }
  }

  /// Answers all prompts but the held-out ones, and counts.
  /// - Throws: ``BenchmarkError`` for prompts and answers that do not fit the model, before the first is answered; what generating throws.
  /// - Parameters:
  ///   - model: one that writes from left to right.
  ///   - known: answers that need not be written again.
  ///   - progress: called with the share that is done.
  ///   - keep: called with every new answer.
  public func run(
    _ model: LanguageModel, known: [Answer] = [], progress: (Double) -> Void = { _ in },
    keep: (Answer) throws -> Void
  ) async throws -> NGramTable {
    try check(model, known)
    let heldOut = Set(heldOutPrompts)
    let answered = Dictionary(known.map { ($0.prompt, $0) }) { first, _ in first }
    let counted = prompts.filter { !heldOut.contains($0) }
    var answers = counted.map { answered[$0] }
    let open = counted.indices.filter { answers[$0] == nil }
    let sessions = try (0..<min(parallelCount, max(1, open.count))).map { _ in try model.session() }
    try await withThrowingTaskGroup(of: (session: Int, index: Int, tokens: [TokenID]).self) { group in
      var begun = 0
      func begin(_ session: Int) {
        guard begun < open.count else { return }
        let index = open[begun]
        begun += 1
        group.addTask {
          try Task.checkCancellation()
          let generation = try await sessions[session].complete(tokens: counted[index], options: options)
          try Task.checkCancellation()
          return (
            session, index,
            generation.tokens.map(\.token) + (generation.statistics.endToken.map { [$0] } ?? [])
          )
        }
      }
      for session in sessions.indices { begin(session) }
      var finished = 0
      while let next = try await group.next() {
        let answer = Answer(prompt: counted[next.index], tokens: next.tokens)
        try keep(answer)
        answers[next.index] = answer
        finished += 1
        progress(Double(finished) / Double(open.count))
        begin(next.session)
      }
    }
    var builder = try NGramTableBuilder(maximumLength: length, vocabulary: model.vocabularyFingerprint)
    for answer in answers.compactMap(\.self) {
      try builder.count(answer.prompt + answer.tokens, from: answer.prompt.count)
    }
    return builder.table(byteLimit: byteLimit)
  }

  /// Refuses what would fail after hours of answering.
  private func check(_ model: LanguageModel, _ known: [Answer]) throws {
    for (index, prompt) in prompts.enumerated() where !(1..<model.contextLength).contains(prompt.count) {
      throw BenchmarkError.option(
        name: "prompts", found: "\(prompt.count) tokens long at number \(index + 1) of the different ones",
        expected: "1 to \(model.contextLength - 1), so that there is room for an answer")
    }
    let count = model.tokenizer.vocabularyCount
    for token in known.lazy.flatMap({ $0.prompt + $0.tokens }) where !(0..<count).contains(token.index) {
      throw BenchmarkError.option(
        name: "answers", found: "token \(token)", expected: "tokens of the vocabulary of \(count)")
    }
  }
}
