import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import Testing

/// What guessing keeps from one generation of a conversation to the next.
@Suite struct DraftMemoryTests {
  /// A generation against a cache that holds a part of the prompt, as sessions do it.
  private func turn(
    _ model: any BlockModel, _ cache: CacheHandle, _ prompt: [TokenID], _ options: SpeculativeOptions
  ) async throws -> (tokens: [TokenID], statistics: GenerationStatistics) {
    let cached = try cache.committedTokens
    var common = 0
    while common < min(cached.count, prompt.count), cached[common] == prompt[common] { common += 1 }
    try cache.truncate(to: common)
    var tokens: [TokenID] = []
    let (_, statistics) = try await SpeculativeDecoder(model: model, options: options)
      .generate(prompt: prompt, cache: cache) {
        tokens.append($0.token)
        return true
      }
    return (tokens, statistics)
  }

  @Test func `a draft model does not read again what its cache holds`() async throws {
    let (model, draft) = (hashedModel(), hashedModel())
    let memory = DraftMemory()
    let cache = try model.makeCache()
    var prompt: [TokenID] = (0..<20).map { TokenID($0 % 11) }
    var options = SpeculativeOptions(
      plain: AutoregressiveOptions(maximumTokenCount: 12), sources: [], shape: WholeShaper())
    options.memory = memory
    for round in 0..<3 {
      let before = draft.passCounts.rows
      // Every generation brings a source of its own, as requests do.
      options.sources = [
        (
          "model",
          try DraftModelSource(model: draft, growth: .chain(3), contextLength: 96, vocabularyLimit: 12)
        )
      ]
      let expected = try await Decoded.plain(hashedModel(), prompt: prompt, options.plain)
      let (tokens, statistics) = try await turn(model, cache, prompt, options)
      #expect(tokens == expected.tokens)
      #expect(statistics.drafts[0].acceptedCount > 0)
      let rows = draft.passCounts.rows - before
      // The first time it reads all of the prompt, later the new tokens alone.
      #expect(round == 0 ? rows > 20 : rows < 30, "round \(round): \(rows) rows")
      prompt += tokens + [TokenID(round)]
    }
  }

  @Test func `under a rule whose text follows the guesses nothing is remembered`() async throws {
    let memory = DraftMemory()
    var options = SpeculativeOptions(
      plain: AutoregressiveOptions(
        maximumTokenCount: 30, sampling: SamplingOptions(temperature: 0.9, seed: 4)),
      sources: try SpeculativeIdentityTests.sources("suffix", vocabularyCount: 12),
      shape: BestShaper(count: 6), accept: TypicalAcceptance(epsilon: 0.2, alpha: 0.5))
    options.memory = memory
    let prompt: [TokenID] = [1, 2, 3, 1, 2, 3, 1, 2]
    let first = try await turn(hashedModel(), hashedModel().makeCache(), prompt, options).tokens
    for _ in 0..<3 {
      #expect(try await turn(hashedModel(), hashedModel().makeCache(), prompt, options).tokens == first)
    }
  }

  @Test(arguments: ["eagle", "hydra-prefix"])
  func `a generation that is stopped while it reads its prompt spoils none that follows`(name: String)
    async throws
  {
    let model = try DraftHeadTests.model()
    let heads = try DraftHeads.load(path: DraftHeadTests.fixtures + "/heads/" + name, target: model)
    let a: [TokenID] = (0..<40).map { TokenID(($0 * 37 + 5) % 280) }
    let b: [TokenID] = a.prefix(3) + (0..<60).map { TokenID(($0 * 53 + 7) % 280) }
    let memory = DraftMemory()
    let cache = try model.makeCache()
    func options() throws -> SpeculativeOptions {
      let source: any DraftSource =
        name == "eagle"
        ? try EagleSource(heads: heads, depth: 3, width: 2, contextLength: 512, minimum: 0)
        : try HydraSource(heads: heads, depth: 3, width: 2, contextLength: 512, minimum: 0)
      return SpeculativeOptions(
        plain: AutoregressiveOptions(maximumTokenCount: 9, prefillRowCount: 8), sources: [(name, source)],
        shape: WholeShaper(limit: 8), memory: memory)
    }
    let expected = try await Decoded.plain(model, prompt: a, try options().plain)
    #expect(try await turn(model, cache, a, options()).tokens == expected.tokens)
    // The second prompt is cancelled behind its second pass.
    let stopped = Task { [options = try options()] in
      try cache.truncate(to: 3)
      return try await SpeculativeDecoder(model: model, options: options).generate(
        prompt: b, cache: cache,
        progress: { done, _ in if done > 16 { withUnsafeCurrentTask { $0?.cancel() } } },
        commit: { _ in true }
      ).0
    }
    #expect(try await stopped.value == .cancelled)
    for _ in 0..<2 {
      let (tokens, statistics) = try await turn(model, cache, a, options())
      #expect(tokens == expected.tokens)
      #expect(statistics.drafts[0].draftedCount > 0)
    }
  }

  @Test(arguments: ["eagle", "hydra-prefix"], [0, 5, 9, 12])
  func `heads that go on say what heads say that were told everything`(name: String, shared: Int) async throws
  {
    let model = try DraftHeadTests.model()
    let heads = try DraftHeads.load(path: DraftHeadTests.fixtures + "/heads/" + name, target: model)
    func source() throws -> any DraftSource {
      name == "eagle"
        ? try EagleSource(heads: heads, depth: 3, width: 2, contextLength: 64, minimum: 0)
        : try HydraSource(heads: heads, depth: 3, width: 2, contextLength: 64, minimum: 0)
    }
    let old: [TokenID] = [5, 70, 12, 250, 33, 33, 101, 7, 8, 9, 44, 60, 61]
    let new: [TokenID] = old.prefix(shared) + [200, 13, 77, 4]
    func states(_ tokens: [TokenID], from first: Int) async throws -> TokenStates {
      let result = BlockResultBuffer()
      let plan = BlockPlan(
        tokens: tokens.dropLast(), at: 0, outputs: OutputRequest(rows: .none, taps: heads.taps))
      try await model.forward([SequencePass(plan: plan, cache: model.makeCache())], into: result)
      var values: [OutputRequest.Tap: [Float]] = [:]
      for tap in heads.taps {
        values[tap] = Array(try #require(result.hiddenStates(tap)).dropFirst(first * 32))
      }
      return TokenStates(firstPosition: first, count: tokens.count - 1 - first, values: values)
    }
    func context(_ tokens: [TokenID]) -> DraftContext {
      DraftContext(tokens: tokens, maximumNodeCount: 9, maximumDepth: 3)
    }
    var fresh = try source()
    try await fresh.read(states(new, from: 0))
    let expected = try await fresh.propose(context(new))
    #expect(!expected.isEmpty)

    var kept = try source()
    #expect(kept.isKept)
    try await kept.read(states(old, from: 0))
    _ = try await kept.propose(context(old))
    // The model's cache holds what both have in common.
    try kept.resume(new, cachedCount: min(shared, new.count - 1))
    try await kept.read(states(new, from: min(shared, new.count - 1)))
    let found = try await kept.propose(context(new))
    if name == "hydra-prefix" || shared == 0 {
      #expect(found.nodes.map(\.token) == expected.nodes.map(\.token))
      #expect(found.nodes.map(\.confidence) == expected.nodes.map(\.confidence))
    } else {
      // One row is missing: that of the last common token, whose state is not told again. One that never had it says the same.
      var without = try source()
      let known = try await states(Array(new.prefix(shared)), from: 0)
      try await without.read(known)
      _ = try await without.prepare(Array(new.prefix(shared + 1)))
      try await without.read(states(new, from: min(shared, new.count - 1)))
      let same = try await without.propose(context(new))
      #expect(found.nodes.map(\.token) == same.nodes.map(\.token))
      #expect(found.nodes.map(\.confidence) == same.nodes.map(\.confidence))
      #expect(!found.isEmpty)
    }
  }
}
