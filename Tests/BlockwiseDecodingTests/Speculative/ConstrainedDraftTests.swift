import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import Testing

/// Guesses under a constraint that nests, and under those that a smaller model knows only in part.
@Suite struct ConstrainedDraftTests {
  /// Four kinds of brackets up to a depth: of eight tokens in a row the first four open, the others close. Tokens from 64 on are
  /// words, which need an open bracket.
  private struct Nested: TokenConstraint {
    struct Refused: Error {}
    var depthLimit = 12
    var open: [Int] = []
    var count = 0

    func isAllowed(_ token: TokenID) -> Bool {
      guard token.index < 64 else { return !open.isEmpty && token.index % 3 == open.count % 3 }
      let kind = token.index % 8
      return kind < 4 ? open.count < depthLimit : open.last == kind - 4
    }
    mutating func advance(_ token: TokenID) throws {
      guard isAllowed(token) else { throw Refused() }
      count += 1
      guard token.index < 64 else { return }
      if token.index % 8 < 4 { open.append(token.index % 8) } else { open.removeLast() }
    }
    func allow(into mask: inout TokenMask) {
      mask.denyAll()
      for token in 0..<280 where isAllowed(TokenID(token)) { mask.insert(TokenID(token)) }
    }
    var isComplete: Bool { open.isEmpty && count > 20 }
    var mustStop: Bool { false }
  }

  @Test(arguments: [
    "medusa", "hydra", "hydra-prefix", "eagle", "model", "suffix", "recycle", "adaptive",
  ])
  func `a nesting constraint gives the text of plain decoding`(name: String) async throws {
    let model = try DraftHeadTests.model()
    let prompt: [TokenID] = (0..<12).map { TokenID(($0 * 37 + 5) % 280) }
    for sampling in [SamplingOptions(), SamplingOptions(temperature: 1.2, seed: 5)] {
      for shape: any TreeShaper in [WholeShaper(limit: 12), CostShaper(limit: 8, loss: 0.5)] {
        let plain = AutoregressiveOptions(
          maximumTokenCount: 70, stopTokens: [281], sampling: sampling, constraint: Nested())
        let expected = try await Decoded.plain(model, prompt: prompt, plain)
        let (found, statistics) = try await Decoded.speculative(
          model, prompt: prompt,
          SpeculativeOptions(
            plain: plain,
            sources: [
              (name, try SourceReadingTests.source(name, model)),
              ("given", GivenSource(expected.tokens, guessCount: 2)),
            ], shape: shape, costCurve: flatCosts))
        #expect(found == expected)
        guard shape is WholeShaper else { continue }
        #expect(statistics.drafts[0].draftedCount > 0, "\(name)")
        // The same model under the same constraint guesses what will be said.
        if name == "model" { #expect(statistics.drafts[0].acceptedCount > 20, "\(statistics.drafts)") }
      }
    }
  }

  @Test(arguments: 0..<12)
  func `typical acceptance obeys a nesting constraint`(seed: Int) async throws {
    let model = try DraftHeadTests.model()
    let prompt: [TokenID] = (0..<8).map { TokenID(($0 * 53 + seed) % 280) }
    let plain = AutoregressiveOptions(
      maximumTokenCount: 80, stopTokens: [281],
      sampling: SamplingOptions(temperature: 1.1, seed: UInt64(seed)), constraint: Nested())
    // Guesses of plain decoding under another seed: legal, and half of them what this text would not have said.
    var other = plain
    other.sampling.seed += 100
    let truth = try await Decoded.plain(model, prompt: prompt, other)
    let (found, statistics) = try await Decoded.speculative(
      model, prompt: prompt,
      SpeculativeOptions(
        plain: plain,
        sources: [
          (
            "random",
            RandomSource(
              random: TestRandom(seed: UInt64(seed)), vocabularyCount: 288, truth: prompt + truth.tokens)
          ), ("suffix", try SourceReadingTests.source("suffix", model)),
        ], shape: WholeShaper(limit: 16), accept: TypicalAcceptance(epsilon: 0.01, alpha: 0.9)))
    var constraint = Nested()
    for token in found.tokens { try constraint.advance(token) }
    #expect(found.reason == .length || constraint.isComplete, "seed \(seed)")
    #expect(statistics.drafts.reduce(0) { $0 + $1.draftedCount } > 0)
    // The last token has no row yet.
    #expect(found.cached == Array((prompt + found.tokens).prefix(found.cached.count)))
  }

  @Test func `a draft model that knows fewer tokens takes constraints and biases of the larger one`()
    async throws
  {
    /// Allows the tokens of a text and those that only the larger model knows.
    struct Wide: TokenConstraint {
      mutating func advance(_ token: TokenID) {}
      func allow(into mask: inout TokenMask) {
        mask.denyAll()
        for token in [1, 3, 5, 9, 11] { mask.insert(TokenID(token)) }
      }
      var isComplete: Bool { false }
      var mustStop: Bool { false }
    }
    let biases: [[TokenID: Float]] = [
      [:], [11: 2, 3: 1], [0: -.infinity, 1: -.infinity, 3: -.infinity, 5: -.infinity], [9: .infinity],
    ]
    for bias in biases {
      for constraint: (any TokenConstraint)? in [nil, Wide()] {
        for temperature: Float in [0, 1] {
          var sampling = SamplingOptions(temperature: temperature, seed: 3)
          sampling.logitBias = bias
          let plain = AutoregressiveOptions(
            maximumTokenCount: 30, sampling: sampling, constraint: constraint)
          let expected = try await Decoded.plain(hashedModel(), prompt: [1, 2, 3], plain)
          let draft = try DraftModelSource(
            model: hashedModel(vocabularyCount: 7), growth: .chain(4), contextLength: 96, vocabularyLimit: 7)
          let (found, _) = try await Decoded.speculative(
            hashedModel(), prompt: [1, 2, 3],
            SpeculativeOptions(
              plain: plain, sources: [("model", draft)], shape: WholeShaper(limit: 8), costCurve: flatCosts))
          #expect(found == expected, "\(bias)")
        }
      }
    }
  }
}
