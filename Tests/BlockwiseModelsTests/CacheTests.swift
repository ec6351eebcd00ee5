import BlockwiseFiles
import BlockwiseKernels
import BlockwiseModels
import BlockwiseTestSupport
import Testing

/// The cache's regions and operations, on a small model with a sliding window (the hardest case for rollback).
@Suite struct CacheTests {
  static func model() throws -> DecoderModel {
    try DecoderModel.load(
      ModelSource(path: ParityFixture.fixtureRoot + "/models/mistral"),
      options: ModelLoadOptions(compute: .auto, cacheFormat: .q8_0, threadCount: 2))
  }

  static func tokens(_ count: Int, seed: UInt64, _ model: DecoderModel) -> [TokenID] {
    var random = SplitMix(seed: seed)
    return (0..<count).map { _ in TokenID(Int.random(in: 0..<model.traits.vocabularyCount, using: &random)) }
  }

  static func bytes(_ cache: CacheHandle) throws -> [[UInt8]] {
    try cache.read { cache in (0..<cache.committedCount).map { cache.storedBytes(slot: $0) } }
  }

  /// A cache after plain decoding of the tokens, one pass each.
  static func plain(_ model: DecoderModel, _ tokens: [TokenID]) async throws -> CacheHandle {
    let cache = try model.makeCache()
    for (position, token) in tokens.enumerated() {
      let plan = BlockPlan(tokens: [token], at: position, outputs: OutputRequest(rows: .none))
      try await model.forward([SequencePass(plan: plan, cache: cache)], into: BlockResultBuffer())
    }
    return cache
  }

  @Test func `committing a path of a tree leaves the bytes that plain decoding leaves`() async throws {
    let model = try Self.model()
    for seed in UInt64(1)...8 {
      var random = SplitMix(seed: seed)
      let prefix = Self.tokens(Int.random(in: 1...70, using: &random), seed: seed, model)
      let cache = try await Self.plain(model, prefix)
      let nodes = Self.tokens(12, seed: seed + 100, model)
      let parents = (0..<12).map { Int.random(in: -1..<max($0, 0), using: &random) }
      let plan = BlockPlan(tree: nodes, parents: parents, prefixLength: prefix.count)
      try await model.forward([SequencePass(plan: plan, cache: cache)], into: BlockResultBuffer())
      var path: [Int] = []
      var node = Int.random(in: 0..<12, using: &random)
      while node >= 0 {
        path.insert(node, at: 0)
        node = parents[node]
      }
      try cache.commit(scratchRows: path)
      let expected = try await Self.plain(model, prefix + path.map { nodes[$0] })
      #expect(try cache.committedTokens == expected.committedTokens, "seed \(seed)")
      #expect(try Self.bytes(cache) == Self.bytes(expected), "seed \(seed)")
    }
  }

  @Test func `rollback, truncation and decoding on give the bits of a fresh sequence, beyond the window too`()
    async throws
  {
    let model = try Self.model()
    let tokens = Self.tokens(60, seed: 5, model)
    let cache = try await Self.plain(model, tokens)
    try cache.truncate(to: 20)
    let other = Self.tokens(30, seed: 6, model)
    let result = BlockResultBuffer()
    try await model.forward(
      [SequencePass(plan: BlockPlan(tokens: other, at: 20), cache: cache)], into: result)
    let fresh = try await Self.plain(model, Array(tokens.prefix(20)) + other.dropLast())
    let expected = BlockResultBuffer()
    try await model.forward(
      [SequencePass(plan: BlockPlan(tokens: [other[29]], at: 49), cache: fresh)], into: expected)
    #expect(result.logits(output: 0) == expected.logits(output: 0))
    #expect(try Self.bytes(cache) == Self.bytes(fresh))
  }

  @Test func `a pass over many pages gives the bits of small passes, and truncation frees pages`()
    async throws
  {
    let model = try Self.model()
    let tokens = Self.tokens(250, seed: 19, model)
    try #require(model.traits.contextLength >= 250)
    let whole = try await ParityTests.logits(model, tokens, pieces: [250])
    let pieces = try await ParityTests.logits(model, tokens, pieces: [30, 50, 100, 70])
    #expect(whole == pieces)
    let cache = try await Self.plain(model, tokens)
    let full = try cache.byteCount
    try cache.truncate(to: 10)
    #expect(try cache.byteCount < full)
    let other = try await Self.plain(model, Array(tokens.prefix(10)))
    #expect(try Self.bytes(cache) == Self.bytes(other))
  }

  @Test func `forks share memory until one of them writes, and never see each other`() async throws {
    let model = try Self.model()
    let tokens = Self.tokens(40, seed: 7, model)
    let original = try await Self.plain(model, tokens)
    let before = try Self.bytes(original)
    let fork = try original.fork()
    let other = Self.tokens(30, seed: 8, model)
    try await model.forward(
      [SequencePass(plan: BlockPlan(tokens: other, at: 40), cache: fork)], into: BlockResultBuffer())
    #expect(try Self.bytes(original) == before)
    let expected = try await Self.plain(model, tokens + other)
    #expect(try Self.bytes(fork) == Self.bytes(expected))
  }

  @Test func `a canvas survives passes, is rewritten slot by slot and commits in order`() async throws {
    let model = try Self.model()
    let prefix = Self.tokens(10, seed: 9, model)
    let cache = try await Self.plain(model, prefix)
    let canvas = Self.tokens(6, seed: 10, model)
    func plan(_ tokens: [TokenID], _ slots: Range<Int>) -> BlockPlan {
      BlockPlan(
        tokens: tokens, positions: slots.map(Int32.init), writes: slots.map { .replace(slot: $0) },
        visibility: .causal, outputs: OutputRequest(rows: .all))
    }
    let result = BlockResultBuffer()
    try await model.forward([SequencePass(plan: plan(canvas, 10..<16), cache: cache)], into: result)
    #expect(try cache.canvasCount == 6)
    #expect(try cache.committedCount == 10)
    // Two slots change; the rest of the canvas stays and is seen.
    let changed = Self.tokens(2, seed: 11, model)
    try await model.forward([SequencePass(plan: plan(changed, 14..<16), cache: cache)], into: result)
    try cache.commitCanvas()
    let expected = try await Self.plain(model, prefix + canvas.prefix(4) + changed)
    #expect(try cache.committedTokens == expected.committedTokens)
    #expect(try Self.bytes(cache) == Self.bytes(expected))
  }

  @Test func `scratch rows are gone after the next pass and the canvas after a rollback`() async throws {
    let model = try Self.model()
    let cache = try await Self.plain(model, Self.tokens(5, seed: 12, model))
    let draft = BlockPlan(tokens: Self.tokens(4, seed: 13, model), at: 5, write: .scratch)
    try await model.forward([SequencePass(plan: draft, cache: cache)], into: BlockResultBuffer())
    #expect(try cache.scratchCount == 4)
    let token = BlockPlan(tokens: Self.tokens(1, seed: 14, model), at: 5)
    try await model.forward([SequencePass(plan: token, cache: cache)], into: BlockResultBuffer())
    #expect(try cache.scratchCount == 0)
    #expect(try cache.committedCount == 6)
    let canvas = BlockPlan(
      tokens: Self.tokens(2, seed: 15, model), positions: [6, 7],
      writes: [.replace(slot: 6), .replace(slot: 7)])
    try await model.forward([SequencePass(plan: canvas, cache: cache)], into: BlockResultBuffer())
    #expect(throws: CacheError.canvasOpen(slotCount: 2)) { try cache.commit(scratchRows: [0]) }
    try cache.rollback()
    #expect(try cache.canvasCount == 0)
    #expect(try cache.committedCount == 6)
  }

  @Test func `plans that cannot be evaluated are refused by name and change nothing`() async throws {
    let model = try Self.model()
    let tokens = Self.tokens(5, seed: 16, model)
    let cache = try await Self.plain(model, tokens)
    let before = try Self.bytes(cache)
    let vocabulary = model.traits.vocabularyCount
    let context = cache.contextLength
    let bad: [(BlockPlan, PlanError)] = [
      (BlockPlan(tokens: [TokenID](), at: 5), .empty),
      (
        BlockPlan(tokens: [1], positions: [5, 6], writes: [.append]),
        .lengths(tokens: 1, positions: 2, writes: 1)
      ),
      (
        BlockPlan(tokens: [TokenID(vocabulary)], at: 5),
        .token(row: 0, token: vocabulary, vocabularyCount: vocabulary)
      ),
      (BlockPlan(tokens: [-1], at: 5), .token(row: 0, token: -1, vocabularyCount: vocabulary)),
      (BlockPlan(tokens: [1], at: context), .position(row: 0, position: context, contextLength: context)),
      (
        BlockPlan(tokens: [1], positions: [-1], writes: [.append]),
        .position(row: 0, position: -1, contextLength: context)
      ),
      (BlockPlan(tokens: [1], at: 5, write: .replace(slot: 6)), .slot(row: 0, slot: 6, slotCount: 5)),
      (
        BlockPlan(tokens: [1, 2], positions: [5, 6], writes: [.replace(slot: 5), .append]),
        .appendBehindCanvas(row: 0)
      ),
      (
        BlockPlan(tokens: [1], at: 5, visibility: .blockCausal(size: 0)),
        .visibility("blocks of 0 at 0, expected a size of 1…2³¹")
      ),
      (
        BlockPlan(tokens: [1], at: 5, visibility: .ancestors(parents: [0])),
        .visibility("parent 0 of row 0, expected −1 or an earlier row")
      ),
      (
        BlockPlan(tokens: [1], at: 5, outputs: OutputRequest(rows: .some([1]))),
        .outputs("rows [1] do not increase within 0..<1")
      ),
    ]
    for (plan, expected) in bad {
      await #expect(throws: expected) {
        try await model.forward([SequencePass(plan: plan, cache: cache)], into: BlockResultBuffer())
      }
      #expect(try Self.bytes(cache) == before)
      #expect(try cache.canvasCount == 0)
    }
    let full = BlockPlan(
      tokens: Array(repeating: TokenID(1), count: context), positions: Array(repeating: 5, count: context),
      writes: Array(repeating: .append, count: context))
    await #expect(throws: PlanError.contextFull(needed: context + 5, contextLength: context)) {
      try await model.forward([SequencePass(plan: full, cache: cache)], into: BlockResultBuffer())
    }
    let same = SequencePass(plan: BlockPlan(tokens: [1], at: 5), cache: cache)
    await #expect(throws: PlanError.cache("the same cache twice in one batch")) {
      try await model.forward([same, same], into: BlockResultBuffer())
    }
    // After all of this the sequence goes on as if nothing had been tried.
    try await model.forward([same], into: BlockResultBuffer())
    let expected = try await Self.plain(model, tokens + [1])
    #expect(try Self.bytes(cache) == Self.bytes(expected))
  }

  @Test func `a wide tree fits at the end of the context, and a row beyond it does not`() async throws {
    let model = try Self.model()
    let cache = try model.makeCache(contextLength: 12)
    let prefix = Self.tokens(10, seed: 20, model)
    try await model.forward(
      [SequencePass(plan: BlockPlan(tokens: prefix, at: 0), cache: cache)], into: BlockResultBuffer())
    let nodes = Self.tokens(9, seed: 21, model)
    let parents = [-1, -1, -1, -1, 0, 1, 2, 3, 0]
    let tree = BlockPlan(tree: nodes, parents: parents, prefixLength: 10)
    try await model.forward([SequencePass(plan: tree, cache: cache)], into: BlockResultBuffer())
    try cache.commit(scratchRows: [3, 7])
    let expected = try await Self.plain(model, prefix + [nodes[3], nodes[7]])
    #expect(try Self.bytes(cache) == Self.bytes(expected))
    await #expect(throws: PlanError.position(row: 0, position: 12, contextLength: 12)) {
      let plan = BlockPlan(tokens: [1], at: 12, write: .scratch)
      try await model.forward([SequencePass(plan: plan, cache: cache)], into: BlockResultBuffer())
    }
  }

  @Test func `embedding rows give what their tokens give`() async throws {
    let model = try Self.model()
    let tokens = Self.tokens(6, seed: 17, model)
    let result = BlockResultBuffer()
    let plan = BlockPlan(tokens: tokens, at: 0, outputs: OutputRequest(rows: .all, taps: [.embedding]))
    try await model.forward([SequencePass(plan: plan, cache: try model.makeCache())], into: result)
    let expected = (0..<6).map { result.logits(output: $0) }
    let hidden = try #require(result.hiddenStates(.embedding))
    let size = model.traits.hiddenSize
    var given = plan
    given.embeddings = .init(
      rows: [1, 4], vectors: Array(hidden[size..<2 * size] + hidden[4 * size..<5 * size]))
    given.tokens[1] = -1
    given.tokens[4] = -1
    let cache = try model.makeCache()
    try await model.forward([SequencePass(plan: given, cache: cache)], into: result)
    #expect((0..<6).map { result.logits(output: $0) } == expected)
    #expect(try cache.committedTokens[1] == -1)
  }

  @Test func `a key selection hides what it leaves out, layer by layer`() async throws {
    let model = try Self.model()
    let tokens = Self.tokens(8, seed: 18, model)
    let cache = try await Self.plain(model, tokens)
    let layers = model.configuration.layerCount
    func logits(_ keys: KeySelection) async throws -> [Float] {
      var plan = BlockPlan(tokens: [3], at: 8, write: .scratch)
      plan.keys = keys
      let result = BlockResultBuffer()
      try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
      return result.logits(output: 0)
    }
    let all = try await logits(.all)
    let listed = try await logits(.perLayer(positions: Array(repeating: Array(0..<8), count: layers)))
    #expect(listed == all)
    let some = try await logits(.perLayer(positions: Array(repeating: [6, 7], count: layers)))
    #expect(some != all)
    // Keys beyond the window are hidden anyway, so leaving them out changes nothing.
    let window = try #require(model.configuration.windows[0])
    let seen = Array(Int32(max(0, 8 - window + 1))..<8)
    #expect(try await logits(.perLayer(positions: Array(repeating: seen, count: layers))) == all)
  }
}
