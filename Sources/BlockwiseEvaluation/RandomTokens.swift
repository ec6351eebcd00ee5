internal import Blockwise

/// Tokens that cost the same as any others: speed does not depend on their values.
struct RandomTokens {
  private var state: UInt32 = 7
  private let vocabularyCount: Int

  init(_ model: LanguageModel) {
    vocabularyCount = min(model.tokenizer.vocabularyCount, model.traits.vocabularyCount)
  }

  mutating func next(count: Int) -> [TokenID] {
    (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return TokenID(Int(state >> 8) % vocabularyCount)
    }
  }
}

extension LanguageModel {
  /// A cache that holds `depth` random tokens.
  func benchmarkCache(depth: Int, random: inout RandomTokens, into buffer: BlockResultBuffer) async throws
    -> CacheHandle
  {
    let cache = try network.makeCache(contextLength: contextLength)
    let chunk = AutoregressiveOptions().prefillRowCount
    for start in stride(from: 0, to: depth, by: chunk) {
      let tokens = random.next(count: min(chunk, depth - start))
      let plan = BlockPlan(tokens: tokens, at: start, outputs: OutputRequest(rows: .none))
      try await network.forward([SequencePass(plan: plan, cache: cache)], into: buffer)
    }
    return cache
  }
}
