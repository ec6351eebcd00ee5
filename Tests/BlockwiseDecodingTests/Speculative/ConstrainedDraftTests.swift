import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import Testing

/// Guesses under a constraint that nests, and heads whose own context ends before the text does.
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

  private func source(_ name: String, _ model: DecoderModel, contextLength: Int = 512) throws
    -> any DraftSource
  {
    var resources = DraftResources(
      traits: model.traits, vocabularyLimit: 288, contextLength: contextLength)
    let kind = name.split(separator: "-")[0]
    switch name {
    case "model":
      return try DraftModelSource(
        model: model, growth: .chain(4), contextLength: contextLength, vocabularyLimit: 288)
    case "suffix", "recycle", "adaptive":
      return try DraftRecipe("\(name)").sources[0].policy.makeSource(resources)
    default:
      resources.heads = try DraftHeads.load(
        path: "\(DraftHeadTests.fixtures)/heads/\(name)", target: model)
      return try DraftRecipe("\(kind):x").sources[0].policy.makeSource(resources)
    }
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
              (name, try source(name, model)), ("given", GivenSource(expected.tokens, guessCount: 2)),
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
          ), ("suffix", try source("suffix", model)),
        ], shape: WholeShaper(limit: 16), accept: TypicalAcceptance(epsilon: 0.01, alpha: 0.9)))
    var constraint = Nested()
    for token in found.tokens { try constraint.advance(token) }
    #expect(found.reason == .length || constraint.isComplete, "seed \(seed)")
    #expect(statistics.drafts.reduce(0) { $0 + $1.draftedCount } > 0)
    // The last token has no row yet.
    #expect(found.cached == Array((prompt + found.tokens).prefix(found.cached.count)))
  }

  @Test(arguments: ["hydra-prefix", "eagle", "model"], [9, 16, 30])
  func `a source whose context ends before the text goes silent and changes nothing`(
    name: String, contextLength: Int
  ) async throws {
    let model = try DraftHeadTests.model()
    let prompt: [TokenID] = (0..<12).map { TokenID(($0 * 37 + 5) % 280) }
    let plain = AutoregressiveOptions(maximumTokenCount: 60)
    let expected = try await Decoded.plain(model, prompt: prompt, plain)
    let memory = DraftMemory()
    for _ in 0..<2 {
      let (found, statistics) = try await Decoded.speculative(
        model, prompt: prompt,
        SpeculativeOptions(
          plain: plain, sources: [(name, try source(name, model, contextLength: contextLength))],
          shape: WholeShaper(limit: 12), memory: memory))
      #expect(found == expected)
      let drafted = statistics.draftedForwardCount
      #expect(contextLength == 30 ? drafted > 0 : true, "\(drafted)")
      #expect(drafted <= max(0, contextLength - prompt.count + 1), "\(drafted) passes with guesses")
    }
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

  @Test(arguments: ["hydra-prefix", "eagle", "model"])
  func `reading apart from a proposal changes no guess`(name: String) async throws {
    let model = try DraftHeadTests.model()
    let tokens: [TokenID] = (0..<40).map { TokenID(($0 * 37 + 5) % 280) }
    let result = BlockResultBuffer()
    var trees: [TokenTree] = []
    for isApart in [false, true] {
      var source = try source(name, model)
      let taps = source.wantedTaps
      if !taps.isEmpty {
        let plan = BlockPlan(
          tokens: tokens.dropLast(), at: 0, outputs: OutputRequest(rows: .none, taps: taps))
        try await model.forward([SequencePass(plan: plan, cache: model.makeCache())], into: result)
        var values: [OutputRequest.Tap: [Float]] = [:]
        for tap in taps { values[tap] = Array(try #require(result.hiddenStates(tap))) }
        try await source.read(TokenStates(firstPosition: 0, count: tokens.count - 1, values: values))
      }
      try await source.start(tokens)
      if isApart {
        let count = try await source.prepare(tokens)
        #expect(count >= 38)
        #expect(try await source.prepare(tokens) == 0)
      }
      trees.append(
        try await source.propose(DraftContext(tokens: tokens, maximumNodeCount: 12, maximumDepth: 4)))
    }
    #expect(!trees[0].isEmpty)
    #expect(trees[0] == trees[1])
  }
}
