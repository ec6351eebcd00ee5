import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import Testing

/// What guessing may lose by the costs of passes, whatever the sources say.
@Suite struct LossBoundTests {
  /// Guesses a chain that is right with some chance per token, and always believes it.
  private struct HalfRightSource: DraftSource {
    var random: TestRandom
    var truth: [TokenID]
    var chance: Double
    var isCostly = false

    mutating func propose(_ context: DraftContext) -> TokenTree {
      var tree = TokenTree()
      var parent = -1
      for place in context.tokens.count..<context.tokens.count + min(10, context.maximumDepth) {
        let isRight = place < truth.count && Double.random(in: 0..<1, using: &random) < chance
        // Behind the end of the text as well: nobody tells where that is.
        let other = place < truth.count ? truth[place].index + 1 : place
        var token = isRight ? truth[place] : TokenID(other % 12)
        if !isRight, context.stopTokens.contains(token) { token = TokenID((token.index + 1) % 12) }
        parent = tree.insert(token, parent: parent, confidence: 0.95)
      }
      return tree
    }
  }

  /// Passes so slow beside this machine that its own time does not count.
  private func costs(slope: Double) -> CostCurve? {
    CostCurve([
      CostCurve.Point(rowCount: 1, milliseconds: 1e6),
      CostCurve.Point(rowCount: 65, milliseconds: 1e6 * (1 + 64 * slope)),
    ])
  }

  /// What passes and steps cost, in passes of one row.
  private func cost(_ statistics: GenerationStatistics, _ curve: CostCurve, stepCost: Double) -> Double {
    statistics.passes.reduce(0) { $0 + curve.relativeCost(rows: $1.rowCount) }
      + stepCost * Double(statistics.drafts.reduce(0) { $0 + $1.stepCount })
  }

  @Test(arguments: 0..<60)
  func `no text costs more than 3 percent above plain decoding`(seed: Int) async throws {
    var random = TestRandom(seed: UInt64(seed))
    let curve = try #require(costs(slope: [0.01, 0.04, 0.1, 0.3][seed % 4]))
    let prompt = (0..<6).map { _ in TokenID(Int.random(in: 0..<12, using: &random)) }
    for count in [1, 2, 3, 5, 9, 20, 80, -2, -3, -5, -20] {
      // Every other text ends by a token before its limit, which is a pass of plain decoding as well.
      var plain = AutoregressiveOptions(maximumTokenCount: abs(count))
      var expected = try await Decoded.plain(hashedModel(seed: UInt64(seed)), prompt: prompt, plain)
      if count < 0, let last = expected.tokens.last {
        plain = AutoregressiveOptions(maximumTokenCount: 80, stopTokens: [last])
        expected = try await Decoded.plain(hashedModel(seed: UInt64(seed)), prompt: prompt, plain)
      }
      let passCount = expected.tokens.count - (expected.reason == .stop ? 0 : 1)
      let truth = prompt + expected.tokens
      var sources: [(name: String, source: any DraftSource)] = []
      for index in 0..<Int.random(in: 1...3, using: &random) {
        sources.append(
          (
            "\(index)",
            HalfRightSource(
              random: TestRandom(seed: UInt64(seed * 8 + index)), truth: truth,
              chance: Double.random(in: 0...1, using: &random), isCostly: index == 1)
          ))
      }
      var options = SpeculativeOptions(plain: plain, sources: sources, costCurve: curve)
      options.stepCost = [0.01, 0.1, 0.4][seed % 3]
      let (found, statistics) = try await Decoded.speculative(
        hashedModel(seed: UInt64(seed)), prompt: prompt, options)
      #expect(found == expected)
      let spent = cost(statistics, curve, stepCost: options.stepCost ?? 0)
      // The prompt was read as well.
      let bound = 0.03 * curve.relativeCost(rows: prompt.count) + 1.03 * Double(passCount)
      #expect(spent <= bound + 1e-3, "seed \(seed), \(count) tokens: \(spent) of \(passCount)")
    }
  }

  @Test func `a share of reading the prompt pays for the first guesses`() async throws {
    let curve = try #require(costs(slope: 0.05))
    let plain = AutoregressiveOptions(maximumTokenCount: 12)
    for (count, isPaid) in [(8, false), (24, true)] {
      let prompt = (0..<count).map { TokenID($0 * 5 % 12) }
      let expected = try await Decoded.plain(hashedModel(), prompt: prompt, plain)
      let source = HalfRightSource(
        random: TestRandom(seed: 1), truth: prompt + expected.tokens, chance: 1)
      let (found, statistics) = try await Decoded.speculative(
        hashedModel(), prompt: prompt,
        SpeculativeOptions(plain: plain, sources: [("right", source)], costCurve: curve))
      #expect(found == expected)
      #expect(statistics.passes[0].rowCount == (isPaid ? 2 : 1), "\(count) tokens")
    }
  }

  @Test func `as long as it is not known what more rows cost, few are tried`() async throws {
    let prompt: [TokenID] = [1, 2, 3]
    let plain = AutoregressiveOptions(maximumTokenCount: 60)
    let expected = try await Decoded.plain(hashedModel(), prompt: prompt, plain)
    // Half of all may be lost, and what is believed is always right.
    for curve in [nil, flatCosts] {
      let source = HalfRightSource(
        random: TestRandom(seed: 1), truth: prompt + expected.tokens, chance: 1)
      let (found, statistics) = try await Decoded.speculative(
        hashedModel(), prompt: prompt,
        SpeculativeOptions(
          plain: plain, sources: [("right", source)], shape: CostShaper(loss: 0.5), costCurve: curve))
      #expect(found == expected)
      let first = try #require(statistics.passes.first { $0.rowCount > 1 })
      #expect(curve == nil ? first.rowCount <= 3 : first.rowCount > 3, "\(first.rowCount) rows")
    }
  }

  @Test func `after the longest prompt guesses lose no more than a pass and 3 percent of the answer`()
    async throws
  {
    let curve = try #require(costs(slope: 0.05))
    let prompt = (0..<1500).map { TokenID($0 * 5 % 12) }
    let plain = AutoregressiveOptions(maximumTokenCount: 30)
    let expected = try await Decoded.plain(hashedModel(contextLength: 2000), prompt: prompt, plain)
    let source = HalfRightSource(random: TestRandom(seed: 1), truth: prompt + expected.tokens, chance: 0)
    let (found, statistics) = try await Decoded.speculative(
      hashedModel(contextLength: 2000), prompt: prompt,
      SpeculativeOptions(plain: plain, sources: [("wrong", source)], costCurve: curve))
    #expect(found == expected)
    let spent = cost(statistics, curve, stepCost: 0)
    #expect(spent > 29.5 && spent <= 1 + 1.03 * 29 + 1e-3, "\(spent) passes")
  }

  @Test func `sources that are right are followed as soon as their guess can be paid`() async throws {
    let curve = try #require(costs(slope: 0.01))
    let plain = AutoregressiveOptions(maximumTokenCount: 60)
    let expected = try await Decoded.plain(hashedModel(), prompt: [1, 2, 3], plain)
    let source = HalfRightSource(
      random: TestRandom(seed: 1), truth: [1, 2, 3] + expected.tokens, chance: 1, isCostly: true)
    var options = SpeculativeOptions(plain: plain, sources: [("right", source)], costCurve: curve)
    options.stepCost = 0.02
    let (found, statistics) = try await Decoded.speculative(hashedModel(), prompt: [1, 2, 3], options)
    #expect(found == expected)
    // A row and a step cost as much as one plain pass may lose; then savings pay for the rest.
    #expect(statistics.passes.prefix { $0.rowCount == 1 }.count <= 2)
    #expect(statistics.forwardCount < 16)
  }

  /// A conversation: every answer goes on from the text before it.
  private struct Conversation {
    let curve: CostCurve
    let memory = DraftMemory()
    let cache: CacheHandle
    var text: [TokenID] = [1, 2]
    var spent = 0.0
    var plainCost = 0.0

    init(_ curve: CostCurve) throws {
      self.curve = curve
      cache = try hashedModel(contextLength: 2000).makeCache(contextLength: 2000)
    }

    /// An answer; guesses are right with some chance.
    mutating func answer(_ count: Int, chance: Double, seed: Int, endsByToken: Bool = false) async throws
      -> GenerationStatistics
    {
      let model = hashedModel(contextLength: 2000)
      text.append(TokenID(seed % 12))
      let prompt = text
      var plain = AutoregressiveOptions(maximumTokenCount: count)
      var expected = try await Decoded.plain(model, prompt: prompt, plain)
      if endsByToken, let last = expected.tokens.last {
        plain = AutoregressiveOptions(maximumTokenCount: 60, stopTokens: [last])
        expected = try await Decoded.plain(model, prompt: prompt, plain)
      }
      let source = HalfRightSource(
        random: TestRandom(seed: UInt64(seed)), truth: prompt + expected.tokens, chance: chance)
      var tokens: [TokenID] = []
      let (reason, statistics) = try await SpeculativeDecoder(
        model: model,
        options: SpeculativeOptions(
          plain: plain, sources: [("half", source)], costCurve: curve, memory: memory)
      ).generate(prompt: prompt, cache: cache) {
        tokens.append($0.token)
        return true
      }
      #expect(tokens == expected.tokens && reason == expected.reason)
      text += tokens
      let promptCost = curve.relativeCost(rows: statistics.prefilledTokenCount)
      spent += statistics.passes.reduce(promptCost) { $0 + curve.relativeCost(rows: $1.rowCount) }
      plainCost += promptCost + Double(tokens.count - (reason == .stop ? 0 : 1))
      return statistics
    }
  }

  @Test func `what a conversation has saved pays for guesses at the front of its next answer`() async throws {
    var talk = try Conversation(try #require(costs(slope: 0.08)))
    for turn in 0..<6 {
      let statistics = try await talk.answer(30, chance: turn < 3 ? 0.95 : 0, seed: turn)
      let rows = try #require(statistics.passes.first?.rowCount)
      // The first answer has to earn its first guess, the next ones have inherited it.
      if turn == 0 { #expect(rows == 1) }
      if (1...3).contains(turn) { #expect(rows > 1, "turn \(turn)") }
      // Of the whole conversation no more is lost than of a single text.
      #expect(talk.spent <= 1.03 * talk.plainCost + 1e-3, "turn \(turn)")
    }
  }

  @Test(arguments: 0..<8) func `many short answers lose no more than one long text`(seed: Int) async throws {
    var random = TestRandom(seed: UInt64(seed))
    var talk = try Conversation(try #require(costs(slope: [0.05, 0.15][seed % 2])))
    _ = try await talk.answer(40, chance: 0.95, seed: seed)
    // Of what that has saved, eight passes can be risked, once.
    talk.spent = -8
    talk.plainCost = 0
    for turn in 0..<60 {
      _ = try await talk.answer(
        Int.random(in: 1...4, using: &random), chance: 0, seed: seed * 100 + turn, endsByToken: turn % 3 > 0)
      #expect(talk.spent <= 1.03 * talk.plainCost + 1e-3, "seed \(seed), turn \(turn)")
    }
  }

  @Test func `another conversation inherits nothing`() async throws {
    let curve = try #require(costs(slope: 0.08))
    var talk = try Conversation(curve)
    _ = try await talk.answer(30, chance: 1, seed: 1)
    // The same memory, as in a session that is used for another text.
    try talk.cache.truncate(to: 0)
    talk.text = [5, 6, 7]
    let statistics = try await talk.answer(30, chance: 1, seed: 2)
    #expect(statistics.passes.first?.rowCount == 1)
  }

  @Test func `answers that fail pay what they have lost`() async throws {
    struct Broken: Error {}
    let curve = try #require(costs(slope: 0.08))
    var talk = try Conversation(curve)
    _ = try await talk.answer(40, chance: 1, seed: 1)
    // Every answer breaks off behind its first pass, whose guesses are wrong.
    var lost = 0.0
    for turn in 0..<30 {
      let model = RecordingModel(hashedModel(contextLength: 2000))
      try talk.cache.truncate(to: talk.text.count - 1)
      let source = HalfRightSource(random: TestRandom(seed: UInt64(turn)), truth: [], chance: 0)
      var count = 0
      await #expect(throws: Broken.self) {
        _ = try await SpeculativeDecoder(
          model: model,
          options: SpeculativeOptions(
            plain: AutoregressiveOptions(maximumTokenCount: 30), sources: [("wrong", source)],
            costCurve: curve, memory: talk.memory)
        ).generate(prompt: talk.text + [TokenID(turn % 12)], cache: talk.cache) { _ in
          count += 1
          if count > 1 { throw Broken() }
          return true
        }
      }
      lost += model.plans.dropFirst().reduce(0) { $0 + curve.relativeCost(rows: $1.rowCount) - 1 }
    }
    #expect(lost > 0)
    // Eight passes that were saved, and 3 % of thirty and of the two tokens that are read before each.
    #expect(lost <= 8 + 0.03 * 30 * (1 + curve.relativeCost(rows: 2)) + 1e-3, "\(lost) passes")
  }
}
