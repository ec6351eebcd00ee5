internal import BlockwiseKernels

/// One conversation with a model: keeps the cache, so that the next prompt only evaluates what is new in it.
///
/// ```swift
/// let session = try model.session()
/// for try await event in session.generate("Once upon a time") {
///   if case .text(let text, _) = event { print(text, terminator: "") }
/// }
/// ```
public final class Session: Sendable {
  private struct Running {
    let number: Int
    var task: Task<Generation, any Error>
    var isStopping = false
  }

  let model: LanguageModel
  let cache: CacheHandle
  /// What guessing has learned in this conversation.
  let draftMemory: DraftMemory
  private struct State {
    var startedCount = 0
    var running: Running?
    /// How what the cache holds was computed.
    var contextKind = ContextKind.causal
  }

  private let state = Protected(State())

  init(model: LanguageModel, cache: CacheHandle) {
    self.model = model
    self.cache = cache
    draftMemory = DraftMemory(costs: model.passCosts)
  }

  /// The tokens whose keys and values the session holds.
  public var cachedTokens: [TokenID] { get throws { try cache.committedTokens } }

  /// Forgets everything.
  /// - Throws: ``SessionError/busy`` while a generation is running or ending.
  public func reset() throws {
    try state.withLock { state in
      guard state.running == nil else { throw SessionError.busy }
      try cache.truncate(to: 0)
    }
  }

  /// Continues a text: the tokenizer adds its start token unless the text begins with it. The answer's text is what
  /// follows the prompt's, so that both can be joined. Leaving the loop or cancelling the task ends the generation within
  /// one pass; the session can be used again at once.
  public func generate(
    _ prompt: String, options: GenerationOptions = GenerationOptions()
  ) -> AsyncThrowingStream<SessionEvent, any Error> {
    generate(tokens: model.promptTokens(prompt), options: options)
  }

  /// Continues a sequence of tokens, taken as they are: no start token is added.
  public func generate(
    tokens prompt: [TokenID], options: GenerationOptions = GenerationOptions()
  ) -> AsyncThrowingStream<SessionEvent, any Error> {
    AsyncThrowingStream { continuation in
      do {
        let (number, task) = try start(prompt: prompt, options: options) { continuation.yield($0) }
        continuation.onTermination = { [weak self] reason in
          if case .cancelled = reason { self?.stop(only: number) }
        }
        Task {
          do {
            _ = try await task.value
            continuation.finish()
          } catch {
            continuation.finish(throwing: error)
          }
        }
      } catch {
        continuation.finish(throwing: error)
      }
    }
  }

  /// Continues a text and returns when it is finished.
  public func complete(
    _ prompt: String, options: GenerationOptions = GenerationOptions()
  ) async throws -> Generation {
    try await complete(tokens: model.promptTokens(prompt), options: options)
  }

  /// Continues a sequence of tokens and returns when it is finished. Cancelling the task ends it within one pass:
  /// the result then has the reason ``FinishReason/cancelled``.
  public func complete(
    tokens prompt: [TokenID], options: GenerationOptions = GenerationOptions()
  ) async throws -> Generation {
    let (number, task) = try start(prompt: prompt, options: options) { _ in }
    return try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      stop(only: number)
    }
  }

  /// Ends the running generation within one pass; its events go on to the last one, which carries the text so far
  /// and its statistics. Does nothing when none is running.
  public func stop() { stop(only: nil) }

  /// Stops the generation of that number if it is still the running one: a reader that leaves late must not end the
  /// generation that came after its own.
  private func stop(only number: Int?) {
    state.withLock { state in
      guard number == nil || state.running?.number == number else { return }
      state.running?.isStopping = true
      state.running?.task.cancel()
    }
  }

  /// Starts a generation; one that is stopping is awaited first, one that is not makes the session busy.
  private func start(
    prompt: [TokenID], options: GenerationOptions, report: @escaping @Sendable (SessionEvent) -> Void
  ) throws -> (number: Int, task: Task<Generation, any Error>) {
    try state.withLock { state throws -> (number: Int, task: Task<Generation, any Error>) in
      let previous = state.running
      if let previous, !previous.isStopping { throw SessionError.busy }
      state.startedCount += 1
      let number = state.startedCount
      let task = Task(executorPreference: model.network.preferredExecutor) {
        _ = await previous?.task.result
        defer { self.finish(number) }
        return try await self.run(number, prompt: prompt, options: options, report: report)
      }
      state.running = Running(number: number, task: task)
      return (number, task)
    }
  }

  /// Clears the way for the next generation, unless one is waiting for this to end already.
  private func finish(_ number: Int) {
    state.withLock { state in
      if state.running?.number == number { state.running = nil }
    }
  }

  private func run(
    _ number: Int, prompt: [TokenID], options: GenerationOptions, report: @Sendable (SessionEvent) -> Void
  ) async throws -> Generation {
    try await model.prepareDrafts(for: options)
    let decision = try model.decision(for: options)
    let decoder = try await SessionDecoder(
      model: model, options: options, decision: decision, prompt: prompt, contextLength: cache.contextLength,
      memory: draftMemory)
    var matcher = try StopStringMatcher(options.stopStrings)
    // Nothing is refused any more: only now the cache lets go of what the prompt does not share with it.
    let isSameKind = state.withLock { state in
      defer { state.contextKind = decoder.contextKind }
      return state.contextKind == decoder.contextKind
    }
    if isSameKind { try keepCommonPrefix(with: prompt) } else { try cache.truncate(to: 0) }

    // The text goes on where the prompt ends: a space at the front of a word stays, half a character is completed.
    var detokenizer = model.tokenizer.makeDetokenizer(skipSpecialTokens: !options.showsSpecialTokens)
    for token in prompt { _ = detokenizer.append(token) }
    var text = ""
    var tokens: [SampledToken] = []
    var isStopped = false
    let (reason, statistics) = try await decoder.generate(
      prompt: prompt, cache: cache, progress: { report(.prefill(done: $0, total: $1)) },
      preview: { report(.preview($0)) }
    ) { token in
      tokens.append(token)
      let piece = matcher.append(detokenizer.append(token.token))
      text += piece
      report(.text(piece, tokens: [token]))
      isStopped = matcher.match != nil
      return !isStopped
    }
    if !isStopped {
      let rest = matcher.append(detokenizer.finish()) + matcher.finish()
      if !rest.isEmpty {
        text += rest
        report(.text(rest, tokens: []))
      }
    }
    let generation = Generation(
      text: text, tokens: tokens, finishReason: matcher.match != nil ? .stop : reason, decision: decision,
      statistics: statistics)
    // The session is free before the reader learns of the end, so that it can go on at once.
    finish(number)
    report(.finished(generation))
    return generation
  }

  /// Cuts the cache down to what it has in common with the new prompt.
  private func keepCommonPrefix(with prompt: [TokenID]) throws {
    let cached = try cache.committedTokens
    var common = 0
    while common < min(cached.count, prompt.count), cached[common] == prompt[common] { common += 1 }
    try cache.truncate(to: common)
  }
}
