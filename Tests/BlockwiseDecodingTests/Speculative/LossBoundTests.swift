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
    let isKept = true

    mutating func propose(_ context: DraftContext) -> TokenTree {
      var tree = TokenTree()
      var parent = -1
      for place in context.tokens.count..<context.tokens.count + min(10, context.maximumDepth)
      where place < truth.count {
        let isRight = Double.random(in: 0..<1, using: &random) < chance
        let token = isRight ? truth[place] : TokenID((truth[place].index + 1) % 12)
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
    for count in [1, 2, 3, 5, 9, 20, 80] {
      let plain = AutoregressiveOptions(maximumTokenCount: count)
      let expected = try await Decoded.plain(hashedModel(seed: UInt64(seed)), prompt: prompt, plain)
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
      #expect(
        spent <= 1.03 * Double(expected.tokens.count - 1) + 1e-3, "seed \(seed), \(count) tokens: \(spent)")
    }
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

  @Test func `what a conversation has saved pays for guesses at the front of its next answer`() async throws {
    let curve = try #require(costs(slope: 0.08))
    let memory = DraftMemory()
    let plain = AutoregressiveOptions(maximumTokenCount: 30)
    var spent = 0.0
    var plainCost = 0.0
    for turn in 0..<4 {
      let prompt: [TokenID] = [1, 2, TokenID(turn)]
      let expected = try await Decoded.plain(hashedModel(), prompt: prompt, plain)
      var options = SpeculativeOptions(
        plain: plain,
        sources: [
          (
            "right",
            HalfRightSource(
              random: TestRandom(seed: 2), truth: prompt + expected.tokens, chance: turn < 2 ? 0.9 : 0)
          )
        ], costCurve: curve, memory: memory)
      let (fresh, alone) = try await {
        options.memory = nil
        defer { options.memory = memory }
        return try await Decoded.speculative(hashedModel(), prompt: prompt, options)
      }()
      let (found, statistics) = try await Decoded.speculative(hashedModel(), prompt: prompt, options)
      #expect(found == expected && fresh == expected)
      let plainPasses = alone.passes.prefix { $0.rowCount == 1 }.count
      #expect(plainPasses >= 3)
      if turn > 0 { #expect((statistics.passes.first?.rowCount ?? 0) > 1, "turn \(turn)") }
      spent += cost(statistics, curve, stepCost: 0)
      plainCost += Double(expected.tokens.count - 1)
      // Of the whole conversation no more is lost than of a single text.
      #expect(spent <= 1.03 * plainCost + 1e-3, "turn \(turn)")
    }
  }
}
