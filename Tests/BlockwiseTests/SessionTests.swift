import Blockwise
import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import BlockwiseText
import Foundation
import Testing

/// Sessions on the small fixtures of the repository: streams, stops, reuse of the cache, cancellation.
@Suite struct SessionTests {
  static let path = SharedData.packageFolder + "/Tests/Fixtures/models/llama"

  static func model(context: Int? = nil) async throws -> LanguageModel {
    try await LanguageModel.load(
      path, options: ModelLoadOptions(compute: .f32, contextLength: context, threadCount: 2))
  }

  static func options(_ count: Int?) -> GenerationOptions {
    GenerationOptions(maximumTokenCount: count, ignoresEndOfText: true, showsSpecialTokens: true)
  }

  /// Options of a generation that waits before its fourth token until the gate is opened: what a reader does meanwhile
  /// comes before its end.
  static func options(_ count: Int?, gate: Gate) -> GenerationOptions {
    var options = options(count)
    options.constraint = GatedConstraint(gate: gate)
    return options
  }

  @Test func `streamed text is the text of the tokens, and the last event carries all of it`() async throws {
    let model = try await Self.model()
    let session = try model.session()
    var text = ""
    var tokens: [TokenID] = []
    var generation: Generation?
    var prefills: [Int] = []
    for try await event in session.generate("Once upon a time", options: Self.options(40)) {
      switch event {
      case .preview: break
      case .prefill(let done, let total):
        prefills.append(done)
        #expect(done <= total)
      case .text(let piece, let new):
        text += piece
        tokens += new.map(\.token)
      case .finished(let finished): generation = finished
      }
    }
    let finished = try #require(generation)
    #expect(tokens.count == 40)
    #expect(text == finished.text)
    #expect(tokens == finished.tokens.map(\.token))
    let prompt = model.tokenizer.encode("Once upon a time")
    #expect(model.tokenizer.decode(prompt) + text == model.tokenizer.decode(prompt + tokens))
    #expect(!prefills.isEmpty)
    #expect(finished.finishReason == .length)
    #expect(finished.decision.method == "ar")
    #expect(!finished.decision.isLossy)
    #expect(finished.statistics.forwardCount == 39)
  }

  @Test func `the next turn evaluates only what is new, and gives what a fresh session gives`() async throws {
    let model = try await Self.model()
    let session = try model.session()
    let first = try await session.complete("Once upon a time", options: Self.options(12))
    let prompt = model.tokenizer.encode("Once upon a time") + first.tokens.map(\.token) + [5, 6, 7]
    let again = try await session.complete(tokens: prompt, options: Self.options(12))
    // The last token of the first answer was never evaluated.
    #expect(again.statistics.cachedTokenCount == prompt.count - 4)
    let fresh = try await model.session().complete(tokens: prompt, options: Self.options(12))
    #expect(fresh.statistics.cachedTokenCount == 0)
    #expect(again.tokens.map(\.token) == fresh.tokens.map(\.token))
    // Another prompt keeps the common front only.
    let other = Array(prompt.prefix(4)) + [9, 9]
    let third = try await session.complete(tokens: other, options: Self.options(3))
    #expect(third.statistics.cachedTokenCount == 4)
  }

  @Test func `a stop string ends the text before it, across the borders of tokens`() async throws {
    let model = try await Self.model()
    let whole = try await model.session().complete("Once upon a time", options: Self.options(40))
    let characters = Array(whole.text)
    try #require(characters.count > 12)
    for start in [3, 6, 9] {
      let stop = String(characters[start..<start + 3])
      var options = Self.options(40)
      options.stopStrings = ["never in this text", stop]
      let generation = try await model.session().complete("Once upon a time", options: options)
      let expected = String(whole.text[..<(try #require(whole.text.range(of: stop))).lowerBound])
      #expect(generation.text == expected, "stop \(stop.debugDescription)")
      #expect(generation.finishReason == .stop)
    }
  }

  @Test func `leaving the loop ends the generation, and the session can be used at once`() async throws {
    let model = try await Self.model()
    let session = try model.session()
    var seen = 0
    for try await event in session.generate("Once", options: Self.options(nil)) {
      if case .text = event { seen += 1 }
      if seen == 3 { break }
    }
    let next = try await session.complete("Once upon a time", options: Self.options(5))
    let fresh = try await model.session().complete("Once upon a time", options: Self.options(5))
    #expect(next.tokens.map(\.token) == fresh.tokens.map(\.token))
  }

  @Test func `stopping ends a generation with the text so far and its statistics`() async throws {
    let session = try await Self.model().session()
    let gate = Gate()
    var seen = 0
    var generation: Generation?
    for try await event in session.generate("Once", options: Self.options(nil, gate: gate)) {
      if case .text = event {
        seen += 1
        if seen == 3 {
          session.stop()
          gate.open()
        }
      }
      if case .finished(let finished) = event { generation = finished }
    }
    let finished = try #require(generation)
    #expect(finished.finishReason == .cancelled)
    #expect(finished.tokens.count >= 3)
    #expect(finished.statistics.committedCount == finished.tokens.count)
  }

  @Test func `a cancelled task gets the text so far`() async throws {
    let session = try await Self.model().session()
    let task = Task { try await session.complete("Once", options: Self.options(nil)) }
    task.cancel()
    let generation = try await task.value
    #expect(generation.finishReason == .cancelled || generation.finishReason == .length)
  }

  @Test func `a second generation of a busy session is refused`() async throws {
    let session = try await Self.model().session()
    let gate = Gate()
    let stream = session.generate("Once", options: Self.options(200, gate: gate))
    await #expect(throws: SessionError.busy) {
      _ = try await session.complete("Twice", options: Self.options(1))
    }
    gate.open()
    for try await _ in stream {}
    _ = try await session.complete("Twice", options: Self.options(1))
  }

  @Test func `a session cannot be reset under a running generation`() async throws {
    let model = try await Self.model()
    let session = try model.session()
    let gate = Gate()
    var seen = 0
    for try await event in session.generate("Once", options: Self.options(60, gate: gate)) {
      guard case .text = event else { continue }
      seen += 1
      if seen == 3 {
        #expect(throws: SessionError.busy) { try session.reset() }
        gate.open()
      }
    }
    try session.reset()
    #expect(try session.cachedTokens.isEmpty)
  }

  @Test func `a reader that leaves late does not end the generation that came after its own`() async throws {
    let session = try await Self.model().session()
    for _ in 0..<10 {
      var stream: AsyncThrowingStream<SessionEvent, any Error>? = session.generate(
        "Once", options: Self.options(nil))
      session.stop()
      let next = Task { try await session.complete("Once upon a time", options: Self.options(30)) }
      var iterator = stream?.makeAsyncIterator()
      _ = try? await iterator?.next()
      iterator = nil
      stream = nil
      // The second may have been refused while the first was still starting; it is never cut short.
      if let generation = try? await next.value { #expect(generation.finishReason == .length) }
    }
  }

  @Test func `the next turn can start as soon as the end is reported`() async throws {
    let session = try await Self.model().session()
    for _ in 0..<50 {
      for try await event in session.generate("Once", options: Self.options(2)) {
        if case .finished = event {
          _ = try await session.complete("Once upon", options: Self.options(1))
        }
      }
    }
  }

  @Test func `a word that follows the prompt keeps its space in SentencePiece models`() async throws {
    let model = try await LanguageModel.load(
      SharedData.packageFolder + "/Tests/Fixtures/models/mistral", options: ModelLoadOptions(compute: .f32))
    let token = try #require(model.tokenizer.token("\u{2581}a"))
    var options = Self.options(2)
    options.sampling = SamplingOptions(logitBias: [token: .infinity])
    let generation = try await model.session().complete("Once upon", options: options)
    #expect(generation.text == " a a")
  }

  @Test func `a refused request leaves the conversation's cache as it was`() async throws {
    let model = try await Self.model()
    let session = try model.session()
    _ = try await session.complete("Once upon a time", options: Self.options(5))
    let cached = try session.cachedTokens
    await #expect(throws: DecodingError.emptyPrompt) {
      _ = try await session.complete(tokens: [], options: Self.options(1))
    }
    var options = Self.options(1)
    options.stopStrings = [""]
    await #expect(throws: SamplingError.self) { _ = try await session.complete("Twice", options: options) }
    #expect(try session.cachedTokens == cached)
  }

  @Test func `seeds decide sampled texts, whatever ran before in the session`() async throws {
    let model = try await Self.model()
    var options = Self.options(20)
    options.sampling = SamplingOptions(temperature: 0.9, topP: 0.95, seed: 11)
    let session = try model.session()
    let first = try await session.complete("Once", options: options)
    _ = try await session.complete("Something else", options: Self.options(7))
    let second = try await session.complete("Once", options: options)
    #expect(first.tokens.map(\.token) == second.tokens.map(\.token))
    options.sampling.seed = 12
    let third = try await session.complete("Once", options: options)
    #expect(first.tokens.map(\.token) != third.tokens.map(\.token))
  }

  @Test func `a prompt beyond the context is refused with the counts`() async throws {
    let session = try await Self.model(context: 16).session()
    let prompt = Array(repeating: TokenID(5), count: 16)
    await #expect(throws: DecodingError.promptTooLong(tokenCount: 16, contextLength: 16)) {
      _ = try await session.complete(tokens: prompt)
    }
  }

  @Test func `models that fill masks are refused by the plain decoder, with the reason`() async throws {
    let model = try await LanguageModel.load(SharedData.packageFolder + "/Tests/Fixtures/models/llada")
    await #expect(throws: DecodingError.self) {
      _ = try await model.session().complete("Once", options: GenerationOptions(method: .autoregressive))
    }
  }

  /// A grid of blocks of another size makes other keys and values of the same tokens.
  @Test func `a session whose blocks change their size forgets what it has computed`() async throws {
    let model = try await LanguageModel.load(
      SharedData.packageFolder + "/Tests/Fixtures/models/sdar",
      options: ModelLoadOptions(compute: .f32, threadCount: 1))
    func options(_ size: Int) -> GenerationOptions {
      var options = GenerationOptions(maximumTokenCount: 12, ignoresEndOfText: true)
      options.recipe = "block=fixed(\(size)) commit=threshold(0.1)"
      return options
    }
    let prompt = (0..<40).map { TokenID($0 * 5 % 250) }
    let session = try model.session()
    for (index, size) in [4, 8, 8, 4].enumerated() {
      let fresh = try await model.session().complete(tokens: prompt, options: options(size))
      let found = try await session.complete(tokens: prompt, options: options(size))
      #expect(found.tokens == fresh.tokens, "blocks of \(size)")
      #expect((found.statistics.cachedTokenCount > 0) == (index == 2))
    }
  }

  @Test func `a block can be watched while it settles`() async throws {
    let model = try await LanguageModel.load(SharedData.packageFolder + "/Tests/Fixtures/models/llada")
    var options = GenerationOptions(maximumTokenCount: 16, ignoresEndOfText: true)
    options.recipe = "one-per-pass"
    options.showsPreviews = true
    let mask = try #require(model.traits.maskToken)
    var open: [Int] = []
    var last: [TokenID] = []
    var text: [TokenID] = []
    for try await event in try model.session().generate(tokens: [3, 4, 5], options: options) {
      switch event {
      case .preview(let canvas):
        open.append(canvas.count { $0 == mask })
        last = canvas
      case .finished(let generation): text = generation.tokens.map(\.token)
      case .prefill, .text: break
      }
    }
    #expect(open == Array((0..<16).reversed()))
    #expect(last == text)
  }

  @Test func `a context that memory cannot hold is refused before it is allocated`() async throws {
    await #expect(throws: ModelError.self) {
      _ = try await LanguageModel.load(
        Self.path, options: ModelLoadOptions(compute: .f32, contextLength: 256, memoryLimit: 200_000))
    }
  }

  @Test func `a name that is neither path nor shipped model is refused with the names there are`()
    async throws
  {
    await #expect(throws: ModelLocatorError.self) { _ = try await LanguageModel.load("no-such-model") }
  }

  @Test func `sessions of one model share passes and say what they say alone`() async throws {
    let model = try await Self.model()
    let prompts = ["Once upon a time", "The dog", "A list of things to do: 1."]
    var alone: [Generation] = []
    for prompt in prompts {
      alone.append(try await model.session().complete(prompt, options: Self.options(24)))
    }
    // The engine's thread is held until all of them wait for it, so that they meet however busy the machine is.
    let gate = Gate()
    Task(executorPreference: model.network.preferredExecutor) { gate.wait() }
    let sessions = try prompts.map { _ in try model.session() }
    let streams = zip(sessions, prompts).map { $0.generate($1, options: Self.options(24)) }
    gate.open()
    var together: [Generation] = []
    for stream in streams {
      for try await event in stream {
        if case .finished(let generation) = event { together.append(generation) }
      }
    }
    #expect(together.count == alone.count)
    for (one, other) in zip(alone, together) {
      #expect(one.text == other.text && one.tokens == other.tokens)
      #expect(one.statistics.sharedForwardCount == 0)
    }
    #expect(together.reduce(0) { $0 + $1.statistics.sharedForwardCount } > 0)
  }
}

/// Holds a generation up until a test has done something.
final class Gate: Sendable {
  private let semaphore = DispatchSemaphore(value: 0)

  func open() { semaphore.signal() }
  func wait() { semaphore.wait() }
}

/// Allows everything, and waits for its gate before the fourth token.
private struct GatedConstraint: TokenConstraint {
  let gate: Gate
  var count = 0

  mutating func advance(_ token: TokenID) {
    count += 1
    if count == 4 { gate.wait() }
  }

  func allow(into mask: inout TokenMask) { mask.allowAll() }
  var isComplete: Bool { true }
  var mustStop: Bool { false }
}
