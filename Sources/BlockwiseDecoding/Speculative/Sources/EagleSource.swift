public import BlockwiseFiles
public import BlockwiseModels

/// One decoder layer that writes ahead from the model's own hidden states (EAGLE-3, arXiv 2503.01840): a row reads a token beside
/// the state of the position before it, a mixture of three of the model's where that has seen it and the layer's own output where
/// it is a guess. Trees grow as in EAGLE-2 (arXiv 2406.16858).
public struct EagleSource: DraftSource {
  private let heads: DraftHeads
  private let layer: any BlockModel
  private let depth: Int
  private let width: Int
  private let minimum: Float
  /// What a level is thought to cost before it is measured, in passes of one row.
  public let assumedStepCost: Double
  private var rows: ReadRows
  private let result = BlockResultBuffer()
  /// The taps' states that are not mixed yet, side by side, and how many tokens they are of: nothing is computed before
  /// somebody asks for guesses.
  private var unmixed: [Float] = []
  private var unmixedCount = 0
  /// Mixed states that the layer has not read: `[pending, hidden]` from a position on.
  private var pending: [Float] = []
  private var pendingPosition = 0

  private static let prefillRowCount = 256

  /// - Parameters:
  ///   - depth: tokens ahead.
  ///   - width: nodes of a level that are followed, and tokens that are considered behind each.
  ///   - minimum: paths that are less likely are not guessed.
  /// - Throws: where the heads have no layer.
  public init(
    heads: DraftHeads, depth: Int, width: Int, contextLength: Int, minimum: Float = 0.01,
    stepCost: Double = 0.3
  ) throws {
    guard let layer = heads.layer else {
      throw DecodingError.option("draft=eagle", found: heads.kind.rawValue, expected: "heads of EAGLE-3")
    }
    self.heads = heads
    self.layer = layer
    self.depth = depth
    self.width = width
    self.minimum = minimum
    assumedStepCost = stepCost
    rows = ReadRows(try layer.makeCache(contextLength: min(contextLength, layer.traits.contextLength)))
  }

  /// Yes.
  public var isCostly: Bool { true }
  /// Yes: the cache holds the text.
  public var isKept: Bool { true }
  /// Lets go of rows that do not belong to the new prompt, and of those whose states will be told again.
  public mutating func resume(_ prompt: [TokenID], cachedCount: Int) throws {
    // Row p reads token p + 1.
    try rows.resume(prompt, cachedCount: cachedCount, ahead: 1)
    (pending, unmixed, unmixedCount) = ([], [], 0)
  }
  /// Three, as a rule.
  public var wantedTaps: [OutputRequest.Tap] { heads.taps }

  private var hiddenSize: Int { heads.outputSize(of: 0) }
  private var pendingCount: Int { pending.count / hiddenSize }

  /// Keeps the states; the layer reads them once the token behind each is known.
  public mutating func read(_ states: TokenStates) async throws {
    guard states.count > 0 else { return }
    // Behind its own context it guesses nothing more.
    guard states.firstPosition + states.count <= rows.cache.contextLength else {
      (pending, unmixed, unmixedCount) = ([], [], 0)
      return
    }
    if pending.isEmpty, unmixedCount == 0 { pendingPosition = states.firstPosition }
    guard pendingPosition + pendingCount + unmixedCount == states.firstPosition else { return }
    unmixed += states.joined(heads.taps)
    unmixedCount += states.count
    if unmixedCount >= Self.prefillRowCount { try await mix() }
  }

  private mutating func mix() async throws {
    guard unmixedCount > 0 else { return }
    pending += try await heads.outputs(of: 0, unmixed)
    unmixed.removeAll(keepingCapacity: true)
    unmixedCount = 0
  }

  /// Keeps the text.
  public mutating func start(_ prompt: [TokenID]) { rows.text = prompt }

  /// Rows whose states are known.
  public func unreadCount(_ tokens: [TokenID]) -> Int {
    max(0, min(pendingPosition + pendingCount + unmixedCount, tokens.count - 2) - pendingPosition)
  }

  /// Lets the layer read what is pending, all but the row of the last token.
  public mutating func prepare(_ tokens: [TokenID]) async throws -> Int {
    let before = pendingPosition
    _ = try await advance(tokens, isLast: false)
    return max(0, pendingPosition - before)
  }

  /// Lets the layer read what is pending.
  /// - Returns: the state behind the last row; nil where the root has none, or there is no room.
  private mutating func advance(_ tokens: [TokenID], isLast: Bool) async throws -> [Float]? {
    rows.text = tokens
    try await mix()
    // Row p reads token p + 1.
    let end = min(pendingPosition + pendingCount, tokens.count - (isLast ? 1 : 2))
    var state: [Float]?
    var done = 0
    // Taken away in one piece: there can be a long prompt behind.
    defer { pending.removeFirst(done * hiddenSize) }
    while pendingPosition < end, end <= rows.cache.contextLength {
      if Task.isCancelled { return nil }
      let stop = min(end, pendingPosition + Self.prefillRowCount)
      let count = stop - pendingPosition
      let plan = BlockPlan(
        tokens: Array(tokens[pendingPosition + 1...stop]),
        positions: (pendingPosition..<stop).map { Int32($0) },
        writes: Array(repeating: .append, count: count),
        embeddings: BlockPlan.EmbeddingRows(
          rows: Array(0..<count), vectors: Array(pending[done * hiddenSize..<(done + count) * hiddenSize])),
        outputs: OutputRequest(rows: isLast && stop == end ? .last : .none, taps: [.layer(0)]))
      try await layer.forward([SequencePass(plan: plan, cache: rows.cache)], into: result)
      state = result.hiddenStates(.layer(0)).map { Array($0.suffix(hiddenSize)) }
      done += count
      rows.append(pendingPosition..<stop)
      pendingPosition = stop
    }
    return pendingPosition == tokens.count - 1 ? state : nil
  }

  /// A tree, level by level.
  public mutating func propose(_ context: DraftContext) async throws -> TokenTree {
    guard let first = try await advance(context.tokens, isLast: true) else { return TokenTree() }
    let (width, size, tokens, vocabulary) = (
      width, hiddenSize, heads.headTokens, layer.traits.vocabularyCount
    )
    let (layer, cache, result) = (layer, rows.cache, result)
    let prefix = context.tokens.count - 1
    let room = cache.contextLength - prefix
    // States of the nodes whose rows have been evaluated, by node.
    var states: [Int: [Float]] = [-1: first]
    var nodes: [Int] = []
    return try await LevelExpansion.tree(
      depth: min(depth, context.maximumDepth, room), width: width, nodeCount: context.maximumNodeCount,
      minimum: minimum, isEnd: { context.stopTokens.contains($0) },
      followers: { tree, level in
        if level != [-1] {
          // A row sees its ancestors only inside of one pass, so that those of earlier levels are evaluated again.
          nodes += level
          var vectors: [Float] = []
          for node in nodes { vectors += states[tree.nodes[node].parent] ?? first }
          let numbers = Dictionary(uniqueKeysWithValues: nodes.enumerated().map { ($1, $0) })
          var plan = BlockPlan(
            tree: nodes.map { tree.nodes[$0].token },
            parents: nodes.map { numbers[tree.nodes[$0].parent] ?? -1 },
            prefixLength: prefix,
            outputs: OutputRequest(
              rows: .some(Array(nodes.count - level.count..<nodes.count)), taps: [.layer(0)]))
          plan.embeddings = BlockPlan.EmbeddingRows(rows: Array(0..<nodes.count), vectors: vectors)
          try await layer.forward([SequencePass(plan: plan, cache: cache)], into: result)
          let hidden = result.hiddenStates(.layer(0)) ?? []
          for (row, node) in nodes.enumerated().suffix(level.count) {
            states[node] = Array(hidden[row * size..<(row + 1) * size])
          }
        }
        return level.enumerated().map { output, node in
          let mask = context.allowed(behind: tree.path(to: node), vocabularyCount: vocabulary)
          return HeadGuesses.best(
            width, of: result.logits(output: output)[...], tokens: tokens, allowed: mask)
        }
      })
  }
}
