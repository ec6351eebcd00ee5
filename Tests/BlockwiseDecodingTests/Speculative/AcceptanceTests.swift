import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import Foundation
import Testing

/// Rules against exact distributions.
@Suite struct AcceptanceTests {
  /// A model that says p behind anything, and a draft model that says q.
  static func model(_ p: [Double]) -> TableModel {
    let logits = p.map { $0 > 0 ? Float(log($0)) : -.infinity }
    return TableModel(vocabularyCount: p.count, contextLength: 16) { _, _ in logits }
  }

  struct Case: Sendable {
    var p: [Double]
    var q: [Double]
    var count: Int
    /// Probability that one of the siblings is accepted.
    var acceptance: Double
  }

  /// The vectors of the sheet on recursive speculative decoding, in rational arithmetic.
  static let cases = [
    Case(p: [1 / 2, 1 / 4, 1 / 4], q: [1 / 4, 1 / 4, 1 / 2], count: 1, acceptance: 3 / 4),
    Case(p: [1 / 2, 1 / 4, 1 / 4], q: [1 / 4, 1 / 4, 1 / 2], count: 2, acceptance: 7 / 8),
    Case(p: [1 / 2, 1 / 4, 1 / 4], q: [1 / 4, 1 / 4, 1 / 2], count: 3, acceptance: 1),
    Case(p: [0.4, 0.3, 0.2, 0.1], q: [0.1, 0.2, 0.3, 0.4], count: 1, acceptance: 3 / 5),
    Case(p: [0.4, 0.3, 0.2, 0.1], q: [0.1, 0.2, 0.3, 0.4], count: 2, acceptance: 107 / 140),
    Case(p: [0.4, 0.3, 0.2, 0.1], q: [0.1, 0.2, 0.3, 0.4], count: 3, acceptance: 14117 / 16800),
    Case(p: [0.4, 0.3, 0.2, 0.1], q: [0.1, 0.2, 0.3, 0.4], count: 4, acceptance: 1),
    Case(p: [0.9, 0.1], q: [0.1, 0.9], count: 1, acceptance: 1 / 5),
    Case(p: [0.9, 0.1], q: [0.1, 0.9], count: 2, acceptance: 1),
  ]

  @Test(arguments: cases.indices)
  func `recursive rejection accepts with the probability of the sheet and keeps the distribution`(index: Int)
    async throws
  {
    let test = Self.cases[index]
    let target = Self.model(test.p)
    let draft = Self.model(test.q)
    var accepted = 0
    var counts = [Int](repeating: 0, count: test.p.count)
    let draws = 12_000
    for seed in 0..<draws {
      let source = try DraftModelSource(
        model: draft, growth: .branching([test.count]), contextLength: 16, vocabularyLimit: test.p.count)
      // One token comes from the prompt, guesses of the second are judged, and there is room for no others.
      let (found, statistics) = try await Decoded.speculative(
        target, prompt: [0],
        SpeculativeOptions(
          plain: AutoregressiveOptions(
            maximumTokenCount: 3, sampling: SamplingOptions(temperature: 1, seed: UInt64(seed) &+ 1 << 32)),
          sources: [("model", source)], shape: WholeShaper(), accept: RejectionAcceptance()))
      // A rejected first judgement needs a second pass for the third token.
      accepted += statistics.forwardCount == 1 ? 1 : 0
      counts[found.tokens[1].index] += 1
    }
    #expect(agrees(counts, with: test.p), "\(counts)")
    let error = (test.acceptance * (1 - test.acceptance) / Double(draws)).squareRoot()
    #expect(abs(Double(accepted) / Double(draws) - test.acceptance) <= 4 * error + 1e-9)
  }

  @Test(arguments: [
    DraftModelSource.Growth.branching([2, 2]), .beams(width: 2, depth: 2), .beams(width: 4, depth: 2),
  ])
  func `trees of drawn siblings keep the distribution of pairs`(growth: DraftModelSource.Growth) async throws
  {
    var random = TestRandom(seed: 4)
    func table() -> [[Float]] {
      (0..<3).map { _ in (0..<3).map { _ in Float.random(in: -1.5...1.5, using: &random) } }
    }
    let (target, draft) = (
      TableModel.markov(table(), contextLength: 16), TableModel.markov(table(), contextLength: 16)
    )
    let cache = try target.makeCache()
    let buffer = BlockResultBuffer()
    var rows: [[Double]] = []
    for token in 0..<3 {
      let plan = BlockPlan(tokens: [TokenID(token)], at: 0, write: .scratch)
      try await target.forward([SequencePass(plan: plan, cache: cache)], into: buffer)
      let weights = buffer.logits(output: 0).map { exp(Double($0)) }
      rows.append(weights.map { $0 / weights.reduce(0, +) })
    }
    var counts = [Int](repeating: 0, count: 27)
    for seed in 0..<100_000 {
      let source = try DraftModelSource(model: draft, growth: growth, contextLength: 16, vocabularyLimit: 3)
      let (found, _) = try await Decoded.speculative(
        target, prompt: [1],
        SpeculativeOptions(
          plain: AutoregressiveOptions(
            maximumTokenCount: 3, sampling: SamplingOptions(temperature: 1, seed: UInt64(seed))),
          sources: [("model", source)], shape: WholeShaper(), accept: RejectionAcceptance()))
      counts[found.tokens[0].index * 9 + found.tokens[1].index * 3 + found.tokens[2].index] += 1
    }
    var expected = [Double](repeating: 0, count: 27)
    for (a, b, c) in (0..<27).map({ ($0 / 9, $0 / 3 % 3, $0 % 3) }) {
      expected[a * 9 + b * 3 + c] = rows[1][a] * rows[a][b] * rows[b][c]
    }
    #expect(agrees(counts, with: expected))
  }

  @Test func `guesses that were not drawn keep the distribution under rejection`() async throws {
    let p = [0.5, 0.3, 0.15, 0.05]
    struct Fixed: DraftSource {
      mutating func propose(_ context: DraftContext) -> TokenTree {
        var tree = TokenTree()
        for token in [2, 0] as [TokenID] { tree.insert(token, parent: -1, confidence: 0.5) }
        return tree
      }
    }
    var counts = [Int](repeating: 0, count: 4)
    for seed in 0..<40_000 {
      let (found, _) = try await Decoded.speculative(
        Self.model(p), prompt: [0],
        SpeculativeOptions(
          plain: AutoregressiveOptions(
            maximumTokenCount: 3, sampling: SamplingOptions(temperature: 1, seed: UInt64(seed))),
          sources: [("fixed", Fixed())], shape: WholeShaper(), accept: RejectionAcceptance()))
      counts[found.tokens[1].index] += 1
    }
    #expect(agrees(counts, with: p), "\(counts)")
  }

  @Test(arguments: [true, false])
  func `drawn guesses beside others keep the distribution`(isDrawnFirst: Bool) async throws {
    let (p, q) = ([0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4])
    struct Fixed: DraftSource {
      mutating func propose(_ context: DraftContext) -> TokenTree {
        var tree = TokenTree()
        for token in [3, 1] as [TokenID] { tree.insert(token, parent: -1, confidence: 0.5) }
        return tree
      }
    }
    var counts = [Int](repeating: 0, count: 4)
    for seed in 0..<30_000 {
      let drawn = try DraftModelSource(
        model: Self.model(q), growth: .branching([1]), contextLength: 16, vocabularyLimit: 4)
      var sources: [(name: String, source: any DraftSource)] = [("drawn", drawn), ("fixed", Fixed())]
      if !isDrawnFirst { sources.reverse() }
      let (found, _) = try await Decoded.speculative(
        Self.model(p), prompt: [0],
        SpeculativeOptions(
          plain: AutoregressiveOptions(
            maximumTokenCount: 3, sampling: SamplingOptions(temperature: 1, seed: UInt64(seed))),
          sources: sources, shape: WholeShaper(), accept: RejectionAcceptance()))
      counts[found.tokens[1].index] += 1
    }
    #expect(agrees(counts, with: p), "\(counts)")
  }

  @Test func `typical acceptance has the thresholds of the sheet`() {
    let rule = TypicalAcceptance()
    #expect(abs(rule.threshold(Array(repeating: 1 / 8, count: 8)) - 0.0375) < 1e-6)
    #expect(rule.threshold([1, 0, 0]) == 0.09)
    #expect(rule.isLossy)
    #expect(!ExactAcceptance().isLossy && !RejectionAcceptance().isLossy)
  }

  @Test func `typical acceptance takes the longest path of likely guesses`() async throws {
    // All of eight tokens are equally likely, so everything is typical and whole chains are taken.
    let model = Self.model(Array(repeating: 1 / 8, count: 8))
    struct Chain: DraftSource {
      mutating func propose(_ context: DraftContext) -> TokenTree { TokenTree(chain: [1, 2, 3]) }
    }
    let options = SpeculativeOptions(
      plain: AutoregressiveOptions(maximumTokenCount: 9, sampling: SamplingOptions(temperature: 1, seed: 2)),
      sources: [("chain", Chain())], shape: WholeShaper(), accept: TypicalAcceptance())
    let (found, statistics) = try await Decoded.speculative(model, prompt: [0], options)
    // A token from the prompt, then twice three guesses and a drawn one.
    #expect(Array(found.tokens[1...3]) == [1, 2, 3] && Array(found.tokens[5...7]) == [1, 2, 3])
    #expect(statistics.forwardCount == 2)
    #expect(statistics.drafts[0].acceptedCount == 6)
    // At temperature zero it is the greedy match.
    let sharp = hashedModel()
    let plain = AutoregressiveOptions(maximumTokenCount: 20)
    let expected = try await Decoded.plain(sharp, prompt: [1], plain)
    let (greedy, _) = try await Decoded.speculative(
      sharp, prompt: [1],
      SpeculativeOptions(
        plain: plain, sources: [("lookup", LookupSource())], shape: WholeShaper(), accept: TypicalAcceptance()
      ))
    #expect(greedy.tokens == expected.tokens)
  }

  @Test func `a rule whose text follows the guesses takes no shape that follows measured times`() {
    #expect(throws: DecodingError.self) {
      try SpeculativeDecoder(
        model: hashedModel(),
        options: SpeculativeOptions(
          sources: [("lookup", LookupSource())], shape: CostShaper(), accept: TypicalAcceptance()))
    }
  }

  @Test func `a tree that was drawn is not cut by what was drawn`() {
    #expect(throws: DecodingError.self) {
      try SpeculativeDecoder(
        model: hashedModel(),
        options: SpeculativeOptions(
          sources: [("lookup", LookupSource())], shape: CostShaper(), accept: RejectionAcceptance()))
    }
  }
}
