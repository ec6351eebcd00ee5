import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import Testing

/// The plain decoder on table models, where every answer can be worked out by hand.
@Suite struct AutoregressiveDecoderTests {
  /// After token t the most likely is t + 1, then t + 2.
  static let counting = TableModel.markov(
    (0..<10).map { token in
      (0..<10).map { next in next == (token + 1) % 10 ? 3 : next == (token + 2) % 10 ? 2 : 0 }
    }, contextLength: 40)

  static func run(
    _ model: any BlockModel, prompt: [TokenID], cache: CacheHandle? = nil, _ options: AutoregressiveOptions,
    until limit: Int = .max
  ) async throws -> (tokens: [TokenID], FinishReason, GenerationStatistics) {
    var tokens: [TokenID] = []
    let decoder = try AutoregressiveDecoder(model: model, options: options)
    let (reason, statistics) = try await decoder.generate(
      prompt: prompt, cache: try cache ?? model.makeCache()
    ) { token in
      tokens.append(token.token)
      return tokens.count < limit
    }
    return (tokens, reason, statistics)
  }

  @Test func `greedy decoding follows the most likely token and stops at the limit`() async throws {
    let (tokens, reason, statistics) = try await Self.run(
      Self.counting, prompt: [3, 4], AutoregressiveOptions(maximumTokenCount: 5))
    #expect(tokens == [5, 6, 7, 8, 9])
    #expect(reason == .length)
    #expect(statistics.promptTokenCount == 2)
    #expect(statistics.committedCount == 5)
    // The last token needs no pass of its own.
    #expect(statistics.forwardCount == 4)
  }

  @Test func `a stop token ends the text and is not part of it`() async throws {
    let (tokens, reason, _) = try await Self.run(
      Self.counting, prompt: [3], AutoregressiveOptions(stopTokens: [8]))
    #expect(tokens == [4, 5, 6, 7])
    #expect(reason == .stop)
  }

  @Test func `the end of the context ends the text with its last position used`() async throws {
    let (tokens, reason, _) = try await Self.run(Self.counting, prompt: [0, 1, 2], AutoregressiveOptions())
    #expect(tokens.count == 37)
    #expect(reason == .length)
  }

  @Test(arguments: [Float.nan, .infinity], [0, Float(1)])
  func `logits that are no numbers end the text with an error`(bad: Float, temperature: Float) async throws {
    let model = TableModel.markov([[0, 1, 0], [0, 1, bad], [0, 0, 0]])
    let options = AutoregressiveOptions(
      maximumTokenCount: 4, sampling: SamplingOptions(temperature: temperature))
    await #expect(throws: SamplingError.self) { _ = try await Self.run(model, prompt: [1], options) }
  }

  @Test func `a caller that has enough ends the text as a stop`() async throws {
    let (tokens, reason, _) = try await Self.run(
      Self.counting, prompt: [0], AutoregressiveOptions(), until: 3)
    #expect(tokens == [1, 2, 3])
    #expect(reason == .stop)
  }

  @Test func `what the cache holds of the prompt is not evaluated again`() async throws {
    let model = TableModel.markov(Array(repeating: [0, 1], count: 2))
    let cache = try model.makeCache()
    _ = try await Self.run(
      model, prompt: [0, 0, 0, 0], cache: cache, AutoregressiveOptions(maximumTokenCount: 1))
    let before = model.passCounts.rows
    let (_, _, statistics) = try await Self.run(
      model, prompt: [0, 0, 0, 0, 1, 1], cache: cache, AutoregressiveOptions(maximumTokenCount: 1))
    #expect(statistics.cachedTokenCount == 4)
    #expect(model.passCounts.rows - before == 2)
  }

  @Test func `a prompt that the cache holds wholly is cut by one, whose logits are needed`() async throws {
    let model = TableModel.markov(Array(repeating: [0, 1], count: 2))
    let cache = try model.makeCache()
    _ = try await Self.run(
      model, prompt: [0, 0, 0], cache: cache, AutoregressiveOptions(maximumTokenCount: 1))
    let (_, _, statistics) = try await Self.run(
      model, prompt: [0, 0, 0], cache: cache, AutoregressiveOptions(maximumTokenCount: 1))
    #expect(statistics.cachedTokenCount == 2)
  }

  @Test(arguments: [1, 2, 3, 7, 100])
  func `the size of prefill passes changes nothing but their number`(_ size: Int) async throws {
    let prompt = (0..<20).map { TokenID($0 % 10) }
    let (tokens, _, _) = try await Self.run(
      Self.counting, prompt: prompt, AutoregressiveOptions(maximumTokenCount: 4, prefillRowCount: size))
    #expect(tokens == [0, 1, 2, 3])
  }

  @Test func `sampling depends on the seed and the position alone`() async throws {
    let sampling = SamplingOptions(temperature: 1, seed: 7)
    let options = AutoregressiveOptions(maximumTokenCount: 20, sampling: sampling)
    let (first, _, _) = try await Self.run(Self.counting, prompt: [1], options)
    let (second, _, _) = try await Self.run(Self.counting, prompt: [1], options)
    #expect(first == second)
    // A continuation of the first half draws the second half again.
    let (rest, _, _) = try await Self.run(Self.counting, prompt: [1] + first.prefix(10), options)
    #expect(Array(rest.prefix(10)) == Array(first.suffix(10)))
  }

  @Test func `a constraint bounds the text and ends it when nothing may follow`() async throws {
    let options = AutoregressiveOptions(stopTokens: [9], constraint: EvenThenStop(remaining: 3))
    let (tokens, reason, _) = try await Self.run(Self.counting, prompt: [0], options)
    #expect(tokens == [2, 4, 6])
    #expect(reason == .stop)
  }

  @Test func `prompts that cannot be continued are refused with the counts`() async throws {
    await #expect(throws: DecodingError.emptyPrompt) {
      try await Self.run(Self.counting, prompt: [], AutoregressiveOptions())
    }
    await #expect(throws: DecodingError.promptTooLong(tokenCount: 40, contextLength: 40)) {
      try await Self.run(Self.counting, prompt: Array(repeating: 1, count: 40), AutoregressiveOptions())
    }
    await #expect(throws: DecodingError.token(10, position: 1, vocabularyCount: 10)) {
      try await Self.run(Self.counting, prompt: [1, 10], AutoregressiveOptions())
    }
  }

  @Test func `a model that fills masks is refused`() throws {
    let model = TableModel(
      vocabularyCount: 4, maskToken: 3, logitAlignment: .same, contextMask: .bidirectional
    ) {
      _, _ in [0, 0, 0, 0]
    }
    #expect(throws: DecodingError.self) {
      try AutoregressiveDecoder(model: model, options: AutoregressiveOptions())
    }
  }

  @Test func `cancellation ends the text before the next pass and leaves the cache usable`() async throws {
    let model = Self.counting
    let cache = try model.makeCache()
    let task = Task {
      var count = 0
      let decoder = try AutoregressiveDecoder(model: model, options: AutoregressiveOptions())
      return try await decoder.generate(prompt: [0], cache: cache) { _ in
        count += 1
        if count == 4 { withUnsafeCurrentTask { $0?.cancel() } }
        return true
      }
    }
    let (reason, statistics) = try await task.value
    #expect(reason == .cancelled)
    #expect(statistics.committedCount == 4)
    #expect(try cache.committedTokens == [0, 1, 2, 3])
  }
}

/// Allows even tokens only, and then nothing.
struct EvenThenStop: TokenConstraint {
  var remaining: Int
  struct NotAllowed: Error {}

  mutating func advance(_ token: TokenID) throws {
    guard token.index % 2 == 0, remaining > 0 else { throw NotAllowed() }
    remaining -= 1
  }

  func allow(into mask: inout TokenMask) {
    mask.denyAll()
    for token in stride(from: 0, to: mask.vocabularyCount, by: 2) where remaining > 0 {
      mask.insert(TokenID(token))
    }
  }

  var isComplete: Bool { remaining == 0 }
  var mustStop: Bool { remaining == 0 }
}
