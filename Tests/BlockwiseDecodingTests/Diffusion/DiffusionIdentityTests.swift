import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import Testing

/// Pairs of recipes that are the same by definition, on models whose every distribution depends on all a row sees.
@Suite struct DiffusionIdentityTests {
  /// A family by what its context looks like.
  enum Family: String, CaseIterable, Sendable {
    case llada, dream, sdar, fastDLLM, nbdiff

    func model(seed: UInt64, block: Int = 8) -> TableModel {
      switch self {
      case .llada: scrambledModel(seed: seed, alignment: .same, contextMask: .bidirectional)
      case .dream: scrambledModel(seed: seed, alignment: .previous, contextMask: .bidirectional)
      case .sdar: scrambledModel(seed: seed, alignment: .same, contextMask: .blockCausal(size: block))
      case .fastDLLM: scrambledModel(seed: seed, alignment: .previous, contextMask: .blockCausal(size: block))
      case .nbdiff: scrambledModel(seed: seed, alignment: .previous, contextMask: .contextCausal(size: block))
      }
    }

    var isCanvas: Bool { self == .llada || self == .dream }
  }

  private func same(
    _ family: Family, _ first: String, _ second: String, passes: Bool = true, count: Int = 21,
    sampling: SamplingOptions = SamplingOptions(), delimiters: Set<TokenID> = []
  ) async throws {
    for seed in 1...6 as ClosedRange<UInt64> {
      let model = family.model(seed: seed)
      let prompt = (0..<Int(seed * 3)).map { TokenID(($0 * 5 + 1) % 11) }
      let a = try await denoise(
        model, try .test(first), prompt: prompt, count: count, sampling: sampling, delimiters: delimiters)
      let b = try await denoise(
        model, try .test(second), prompt: prompt, count: count, sampling: sampling, delimiters: delimiters)
      #expect(a.tokens == b.tokens, "\(family), seed \(seed): \(first) | \(second)")
      #expect(a.logProbabilities == b.logProbabilities, "\(family), seed \(seed): \(first) | \(second)")
      if passes { #expect(a.statistics.forwardCount == b.statistics.forwardCount, "\(first) | \(second)") }
    }
  }

  @Test(arguments: Family.allCases)
  func `commit policies meet where the sheets say so`(family: Family) async throws {
    let cache = family.isCanvas ? "cache=none" : "cache=exact"
    for (first, second) in [
      ("commit=leap(0.3,0.3,4)", "commit=threshold(0.3)"),
      ("commit=leap(0.3,0.1,0)", "commit=threshold(0.3)"),
      ("commit=threshold(1.5)", "commit=quota(0)"), ("commit=klass(0.3,1000,0)", "commit=threshold(0.3)"),
      ("commit=eb(1000000)", "commit=threshold(-1)"), ("commit=eb(0)", "commit=quota(0)"),
      ("commit=factor(0)", "commit=quota(0)"), ("commit=factor(1000)", "commit=threshold(-1)"),
      ("commit=sequential(8)", "commit=threshold(-1)"), ("commit=quota(8)", "commit=quota(0)"),
      ("commit=threshold(0.3) block=fixed(8,8)", "commit=threshold(0.3)"),
      ("commit=threshold(1.5,4)", "commit=quota(4)"),
    ] {
      try await same(family, "\(cache) \(first)", "\(cache) \(second)")
    }
  }

  @Test(arguments: [Family.llada, .dream])
  func `caches that are refreshed in every pass are no caches`(family: Family) async throws {
    for commit in ["quota(0)", "threshold(0.25)"] {
      try await same(family, "commit=\(commit) cache=prefix(1)", "commit=\(commit) cache=none")
      try await same(family, "commit=\(commit) cache=dual(1)", "commit=\(commit) cache=none")
    }
  }

  @Test func `a dual cache over the whole canvas is a prefix cache`() async throws {
    for family in [Family.llada, .dream] {
      try await same(
        family, "block=whole commit=threshold(0.25) cache=dual",
        "block=whole commit=threshold(0.25) cache=prefix")
    }
  }

  @Test(arguments: [Family.sdar, .fastDLLM, .nbdiff])
  func `blocks computed once give what computing everything gives`(family: Family) async throws {
    for commit in ["quota(0)", "threshold(0.25)"] {
      // Passes that only extend the cache are not needed without one, unless they bring the next token.
      try await same(
        family, "commit=\(commit) cache=exact", "commit=\(commit) cache=none", passes: family != .sdar)
      try await same(
        family, "commit=\(commit) block=fixed(8,4) cache=sub(1)",
        "commit=\(commit) block=fixed(8,4) cache=exact")
    }
  }

  @Test(arguments: Family.allCases)
  func `adaptive blocks without a confident delimiter are fixed`(family: Family) async throws {
    guard family != .sdar, family != .fastDLLM else { return }
    let cache = family.isCanvas ? "cache=none" : "cache=exact"
    let delimiters: Set<TokenID> = [2, 5]
    // 24 is a multiple of 8: fixed blocks of block-diffusion models are filled to their ends.
    try await same(
      family, "\(cache) block=ada(8,2) commit=threshold(0.25)",
      "\(cache) block=fixed(8) commit=threshold(0.25)",
      count: 24, delimiters: delimiters)
  }

  @Test func `shadows that verify nothing change nothing`() async throws {
    for (family, cache) in [
      (Family.llada, "cache=none"), (.llada, "cache=dual"), (.sdar, "cache=exact"), (.sdar, "cache=none"),
      (.sdar, "cache=sub block=fixed(8,4)"),
    ] {
      try await same(
        family, "\(cache) commit=threshold(0.25) revise=wino(0)", "\(cache) commit=threshold(0.25)")
    }
  }

  @Test func `edits that nothing exceeds change nothing but the last pass`() async throws {
    try await same(
      .sdar, "cache=exact commit=threshold(0.25) revise=edit(1.5)", "cache=exact commit=threshold(0.25)",
      passes: false)
  }

  @Test func `blocks of one are greedy decoding, also with temperature`() async throws {
    for seed in 1...8 as ClosedRange<UInt64> {
      for (family, block) in [(Family.nbdiff, 8), (.fastDLLM, 1)] {
        let model = family.model(seed: seed, block: block)
        // The same distributions, told apart by what the model says it is.
        let plain = scrambledModel(seed: seed, alignment: .previous, contextMask: .causal)
        let prompt: [TokenID] = [1, 4, 2, 9, 7].dropLast(Int(seed % 3)) + [3]
        for temperature in [0, 0.8] as [Float] {
          var sampling = SamplingOptions(temperature: temperature, seed: seed)
          sampling.logitBias = [11: -.infinity]  // the mask, which no diffusion model may write
          var expected: [TokenID] = []
          _ = try await AutoregressiveDecoder(
            model: plain, options: AutoregressiveOptions(maximumTokenCount: 15, sampling: sampling)
          ).generate(prompt: prompt, cache: try plain.makeCache()) { token in
            expected.append(token.token)
            return true
          }
          let found = try await denoise(
            model, try .test("block=fixed(1) cache=exact"), prompt: prompt, count: 15, sampling: sampling)
          #expect(found.tokens == expected, "\(family), seed \(seed), temperature \(temperature)")
          #expect(found.statistics.forwardCount == 14)
          #expect(found.statistics.closingForwardCount == 14)
        }
      }
    }
  }

  @Test func `what a cache already holds of the prompt is used and changes nothing`() async throws {
    for family in [Family.sdar, .fastDLLM, .nbdiff] {
      let model = family.model(seed: 5)
      let prompt = (0..<29).map { TokenID(($0 * 7 + 2) % 11) }
      let recipe = try DenoiseRecipe.test("cache=exact commit=threshold(0.3)")
      let fresh = try await denoise(model, recipe, prompt: prompt, count: 16)
      let cache = try model.makeCache()
      _ = try await denoise(model, recipe, prompt: Array(prompt.prefix(21)), canvas: [nil], cache: cache)
      let warm = try await denoise(
        model, recipe, prompt: prompt, canvas: Array(repeating: nil, count: 16), cache: cache)
      #expect(warm == fresh, "\(family)")
      #expect(warm.statistics.cachedTokenCount > 0, "\(family)")
    }
  }

  @Test(arguments: [Family.sdar, .fastDLLM, .nbdiff])
  func `looking ahead in the pass that closes a block changes no token and saves passes`(family: Family)
    async throws
  {
    for commit in ["quota(0)", "quota(2)", "threshold(0.3)", "klass(0.2,0.5,1)"] {
      for block in ["fixed(8)", "fixed(4)", "fixed(8,4)", "fixed(1)"] {
        let slots = "block=\(block) commit=\(commit)"
        try await same(family, "\(slots) cache=exact", "\(slots) cache=ahead", passes: false)
      }
    }
    try await same(
      family, "commit=quota(2) cache=exact", "commit=quota(2) cache=ahead", passes: false,
      sampling: SamplingOptions(temperature: 0.9, topP: 0.9, repetitionPenalty: 1.2, seed: 5))
    if family == .sdar {
      for revise in ["wino(0.3)", "edit(0.2)", "rcr(3)"] {
        let slots = "commit=threshold(0.2) revise=\(revise)"
        try await same(family, "\(slots) cache=exact", "\(slots) cache=ahead", passes: false)
      }
    }
    var (exact, ahead, closing) = (0, 0, 0)
    for seed in 1...6 as ClosedRange<UInt64> {
      let model = family.model(seed: seed)
      let a = try await denoise(model, .test("commit=quota(2) cache=exact"), prompt: [1, 2, 3], count: 40)
      let b = try await denoise(model, .test("commit=quota(2) cache=ahead"), prompt: [1, 2, 3], count: 40)
      #expect(
        a.statistics.forwardCount - b.statistics.forwardCount
          == a.statistics.closingForwardCount - b.statistics.closingForwardCount)
      exact += a.statistics.forwardCount
      ahead += b.statistics.forwardCount
      closing += b.statistics.closingForwardCount
    }
    #expect(ahead < exact, "some guesses are right")
    if family == .sdar { #expect(closing == 0, "without a shift there is nothing to guess") }
  }

  @Test(arguments: ["cache=none", "cache=prefix", "cache=dual"])
  func `a shadow does not see its token, so that a token can be found wrong`(cache: String) async throws {
    // A row that sees its own position decided confirms it; one that does not wants 1 as soon as others are decided.
    let mask: TokenID = 2
    let model = TableModel(
      vocabularyCount: 3, maskToken: mask, logitAlignment: .same, contextMask: .bidirectional
    ) { position, seen in
      let decided = seen.filter { $0.position > 0 && $0.token != mask }
      if let own = decided.first(where: { $0.position == position }) {
        return own.token == 0 ? [9, 0, 0] : [0, 9, 0]
      }
      return decided.isEmpty ? [5, 0, 0] : [0, 5, 0]
    }
    let outcome = try await denoise(
      model, .test("block=fixed(4) commit=quota(2) revise=wino(0.5) \(cache)"), prompt: [0], count: 4)
    #expect(outcome.statistics.revisedCount == 1)
    #expect(outcome.tokens == [1, 0, 1, 1])
  }
}
