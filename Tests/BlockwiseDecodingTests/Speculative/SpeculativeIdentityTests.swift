import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import Testing

/// Under the exact rule everything is as in plain decoding: tokens, log-probabilities, reasons, cache.
@Suite struct SpeculativeIdentityTests {
  static let recipes = [
    "lookup", "ngram", "suffix", "recycle", "adaptive", "aded", "lookup+ngram+suffix+recycle+adaptive",
  ]
  static let shapes = ["all", "best(3)", "best(16)", "cost(32)"]

  static func sources(_ names: String, vocabularyCount: Int) throws -> [(
    name: String, source: any DraftSource
  )] {
    let resources = DraftResources(
      traits: hashedModel(vocabularyCount: vocabularyCount).traits, vocabularyLimit: vocabularyCount,
      contextLength: 96)
    return try DraftRecipe(names).sources.map { ($0.text, try $0.policy.makeSource(resources)) }
  }

  static let samplings: [SamplingOptions] = [
    SamplingOptions(),
    SamplingOptions(temperature: 0.7, topK: 6, topP: 0.9, seed: 5),
    SamplingOptions(temperature: 1, repetitionPenalty: 1.3, presencePenalty: 0.2, seed: 9),
  ]

  @Test(arguments: recipes, shapes)
  func `every source and shape gives the tokens and the cache of plain decoding`(
    recipe: String, shape: String
  ) async throws {
    let parsed = try DraftRecipe("\(recipe),shape=\(shape)")
    for (number, sampling) in Self.samplings.enumerated() {
      for seed in 0..<4 {
        var random = TestRandom(seed: UInt64(seed * 31 + number))
        let model = hashedModel(order: seed % 2 + 1, seed: UInt64(seed), sharpness: seed < 2 ? 3 : 8)
        let prompt = repetitivePrompt(&random, vocabularyCount: 12, count: 20)
        let plain = AutoregressiveOptions(
          maximumTokenCount: 40, stopTokens: seed == 3 ? [3] : [], sampling: sampling)
        let expected = try await Decoded.plain(model, prompt: prompt, plain)
        let options = SpeculativeOptions(
          plain: plain, sources: try Self.sources(recipe, vocabularyCount: 12), shape: parsed.shape,
          costCurve: flatCosts)
        let (found, statistics) = try await Decoded.speculative(model, prompt: prompt, options)
        #expect(found == expected, "seed \(seed), sampling \(number)")
        #expect(statistics.forwardCount <= max(1, expected.committedCount), "seed \(seed)")
      }
    }
  }

  @Test(arguments: 0..<120)
  func `whatever is guessed, and however it ends, nothing differs`(seed: Int) async throws {
    var random = TestRandom(seed: UInt64(seed) &+ 77)
    let vocabulary = Int.random(in: 2...14, using: &random)
    let context = Int.random(in: 24...60, using: &random)
    let model = hashedModel(
      vocabularyCount: vocabulary, order: Int.random(in: 1...3, using: &random), seed: UInt64(seed),
      contextLength: context)
    let prompt = (0..<Int.random(in: 1...16, using: &random)).map { _ in
      TokenID(Int.random(in: 0..<vocabulary, using: &random))
    }
    var sampling = SamplingOptions(
      temperature: [0, 0.6, 1.2][Int.random(in: 0..<3, using: &random)],
      repetitionPenalty: Bool.random(using: &random) ? 1.2 : 1, seed: UInt64(seed))
    if Bool.random(using: &random) { sampling.topLogProbabilityCount = 2 }
    let plain = AutoregressiveOptions(
      maximumTokenCount: [nil, 0, 1, 2, 17][Int.random(in: 0..<5, using: &random)],
      stopTokens: Bool.random(using: &random) ? [TokenID(vocabulary - 1)] : [], sampling: sampling,
      vocabularyLimit: Bool.random(using: &random) ? vocabulary : max(1, vocabulary - 1),
      choice: Int.random(in: 0..<3, using: &random), prefillRowCount: Int.random(in: 1...8, using: &random))
    let limit = Bool.random(using: &random) ? .max : Int.random(in: 1...9, using: &random)
    let expected = try await Decoded.plain(model, prompt: prompt, plain, until: limit)
    let shapes: [any TreeShaper] = [
      WholeShaper(limit: 9), BestShaper(count: 4), CostShaper(limit: 12, loss: 0.5),
    ]
    var options = SpeculativeOptions(
      plain: plain,
      sources: [
        ("random", RandomSource(random: random, vocabularyCount: vocabulary, truth: prompt + expected.tokens))
      ],
      shape: shapes[Int.random(in: 0..<3, using: &random)])
    if Bool.random(using: &random) { options.costCurve = flatCosts }
    let (found, statistics) = try await Decoded.speculative(model, prompt: prompt, options, until: limit)
    #expect(found == expected, "seed \(seed)")
    #expect(statistics.rowCount >= statistics.forwardCount)
    #expect(
      statistics.drafts.reduce(0) { $0 + $1.draftedCount } == statistics.rowCount - statistics.forwardCount)
  }

  @Test(arguments: 0..<24)
  func `a cancellation inside a draft leaves a cache from which everything goes on`(seed: Int) async throws {
    /// Cancels the generation while it guesses.
    struct Cancelling: DraftSource {
      var guesses: RandomSource
      var round: Int
      mutating func propose(_ context: DraftContext) -> TokenTree {
        if context.round == round { withUnsafeCurrentTask { $0?.cancel() } }
        return guesses.propose(context)
      }
    }
    var random = TestRandom(seed: UInt64(seed) &+ 900)
    let model = hashedModel(seed: UInt64(seed))
    let prompt: [TokenID] = (0..<Int.random(in: 1...9, using: &random)).map { _ in
      TokenID(Int.random(in: 0..<12, using: &random))
    }
    let plain = AutoregressiveOptions(
      maximumTokenCount: 30,
      sampling: SamplingOptions(
        temperature: seed % 2 == 0 ? 0 : 0.8, repetitionPenalty: 1.1, seed: UInt64(seed)))
    let expected = try await Decoded.plain(model, prompt: prompt, plain)
    let source = Cancelling(
      guesses: RandomSource(random: random, vocabularyCount: 12, truth: prompt + expected.tokens),
      round: Int.random(in: 1...6, using: &random))
    let cache = try model.makeCache()
    let decoder = try SpeculativeDecoder(
      model: model,
      options: SpeculativeOptions(
        plain: plain, sources: [("cancelling", source)], shape: WholeShaper(limit: 9)))
    let task = Task {
      var tokens: [TokenID] = []
      let (reason, _) = try await decoder.generate(prompt: prompt, cache: cache) {
        tokens.append($0.token)
        return true
      }
      return (tokens, reason)
    }
    let (tokens, reason) = try await task.value
    #expect(reason == .cancelled || tokens == expected.tokens, "seed \(seed)")
    #expect(tokens == Array(expected.tokens.prefix(tokens.count)), "seed \(seed)")
    let cached = try cache.committedTokens
    #expect(cached == Array((prompt + expected.tokens).prefix(cached.count)), "seed \(seed)")
    #expect(try cache.scratchCount == 0)
    // What is left is the plain text's.
    let all = prompt + tokens
    try cache.truncate(to: min(cached.count, all.count - 1))
    var rest = plain
    rest.maximumTokenCount = 30 - tokens.count
    var more: [TokenID] = []
    _ = try await AutoregressiveDecoder(model: model, options: rest).generate(prompt: all, cache: cache) {
      more.append($0.token)
      return true
    }
    #expect(tokens + more == expected.tokens, "seed \(seed)")
  }

  @Test func `a perfect source needs a pass for every so many tokens`() async throws {
    let model = hashedModel()
    let plain = AutoregressiveOptions(maximumTokenCount: 41)
    let expected = try await Decoded.plain(model, prompt: [1, 2], plain)
    let options = SpeculativeOptions(
      plain: plain, sources: [("given", GivenSource(expected.tokens, guessCount: 9))], shape: WholeShaper())
    let (found, statistics) = try await Decoded.speculative(model, prompt: [1, 2], options)
    #expect(found == expected)
    // One token from the prompt, then ten a pass.
    #expect(statistics.forwardCount == 4)
    #expect(statistics.drafts[0].acceptedCount == statistics.drafts[0].draftedCount)
  }

  @Test(arguments: [Float(0), 1])
  func `a model that drafts for itself is always right`(temperature: Float) async throws {
    let model = hashedModel()
    let plain = AutoregressiveOptions(
      maximumTokenCount: 31, sampling: SamplingOptions(temperature: temperature, topP: 0.8, seed: 3))
    let expected = try await Decoded.plain(model, prompt: [1, 2], plain)
    let source = try DraftModelSource(
      model: hashedModel(), growth: .chain(5), contextLength: 96, vocabularyLimit: 12)
    let (found, statistics) = try await Decoded.speculative(
      model, prompt: [1, 2],
      SpeculativeOptions(plain: plain, sources: [("model", source)], shape: WholeShaper()))
    #expect(found == expected)
    if temperature == 0 { #expect(statistics.tokensPerForward > 2) }
    // Unlikely paths are not followed to the end, but what is guessed first is right.
    #expect(statistics.forwardCount < expected.committedCount)
  }

  @Test(arguments: [
    DraftModelSource.Growth.branching([1, 1, 1, 1]), .branching([2, 2]), .beams(width: 3, depth: 3),
  ])
  func `rejection at temperature zero is the greedy match`(growth: DraftModelSource.Growth) async throws {
    let model = hashedModel()
    let plain = AutoregressiveOptions(maximumTokenCount: 30)
    let expected = try await Decoded.plain(model, prompt: [4], plain)
    let source = try DraftModelSource(
      model: hashedModel(sharpness: 2), growth: growth, contextLength: 96, vocabularyLimit: 12)
    let (found, _) = try await Decoded.speculative(
      model, prompt: [4],
      SpeculativeOptions(
        plain: plain, sources: [("model", source)], shape: WholeShaper(), accept: RejectionAcceptance()))
    #expect(found == expected)
  }

  @Test func `guesses that never come true cost a bounded share`() async throws {
    struct Wrong: DraftSource {
      mutating func propose(_ context: DraftContext) -> TokenTree {
        // The model never says 11 here.
        TokenTree(chain: Array(repeating: 11, count: 16), confidence: 0.95)
      }
    }
    let model = TableModel.markov(
      (0..<12).map { token in (0..<12).map { $0 == (token + 1) % 11 ? 5 : 0 } }, contextLength: 2000)
    let curve = CostCurve([
      CostCurve.Point(rowCount: 1, milliseconds: 20), CostCurve.Point(rowCount: 17, milliseconds: 40),
    ])
    let cost = try #require(curve)
    // However short the text is.
    for count in [2, 3, 4, 5, 6, 8, 11, 20, 50, 1500] {
      let (found, statistics) = try await Decoded.speculative(
        model, prompt: [0],
        SpeculativeOptions(
          plain: AutoregressiveOptions(maximumTokenCount: count), sources: [("wrong", Wrong())],
          costCurve: curve))
      #expect(found.committedCount == count)
      #expect(statistics.drafts[0].acceptedCount == 0)
      if count >= 50 { #expect(statistics.drafts[0].draftedCount > 0) }
      let spent = statistics.passes.reduce(0.0) { $0 + cost.relativeCost(rows: $1.rowCount) }
      #expect(spent <= 1.0301 * Double(count - 1), "\(count) tokens")
    }
  }
}
