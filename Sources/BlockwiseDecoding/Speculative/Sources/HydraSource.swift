public import BlockwiseFiles
public import BlockwiseModels

/// Heads that also read the tokens guessed before them (Hydra, arXiv 2402.05109), level by level; Hydra++ reads the hidden states
/// through a layer of its own first, which sees those of all tokens.
public struct HydraSource: DraftSource {
  private let heads: DraftHeads
  private let depth: Int
  private let width: Int
  private let minimum: Float
  /// What a level is thought to cost before it is measured, in passes of one row.
  public let assumedStepCost: Double
  /// Hydra++: what the layer has read.
  private var rows: ReadRows?
  private let result = BlockResultBuffer()
  /// What the heads read of the last token, and its position.
  private var state: [Float] = []
  private var position = -1
  /// Hydra++: states that the layer has not read, `[pending, hidden]`: nothing is computed before somebody asks for guesses.
  private var pending: [Float] = []

  /// - Parameters:
  ///   - depth: heads that are asked, at most as many as there are.
  ///   - width: nodes of a level that are followed, and tokens that are considered behind each.
  ///   - minimum: paths that are less likely are not guessed.
  public init(
    heads: DraftHeads, depth: Int, width: Int, contextLength: Int, minimum: Float = 0.01,
    stepCost: Double = 0.3
  ) throws {
    self.heads = heads
    self.depth = min(depth, heads.depth ?? depth)
    self.width = width
    self.minimum = minimum
    assumedStepCost = stepCost
    rows = try heads.layer.map {
      ReadRows(try $0.makeCache(contextLength: min(contextLength, $0.traits.contextLength)))
    }
  }

  /// Yes.
  public var isCostly: Bool { true }
  /// Where a layer's cache holds the text.
  public var isKept: Bool { rows != nil }
  /// Lets go of rows that do not belong to the new prompt, and of those whose states will be told again.
  public mutating func resume(_ prompt: [TokenID], cachedCount: Int) throws {
    try rows?.resume(prompt, cachedCount: cachedCount, ahead: 0)
    (pending, state, position) = ([], [], -1)
  }
  /// The final one.
  public var wantedTaps: [OutputRequest.Tap] { heads.taps }

  /// Keeps the states.
  public mutating func read(_ states: TokenStates) async throws {
    guard let values = states.values[.final], states.count > 0 else { return }
    position = states.firstPosition + states.count - 1
    if heads.layer == nil {
      state = Array(values.suffix(heads.hiddenSize))
    } else {
      pending += values
      if pending.count >= Self.prefillRowCount * heads.hiddenSize { try await advance() }
    }
  }

  private static let prefillRowCount = 256

  /// The text, whether anybody asks for guesses or not.
  public mutating func start(_ prompt: [TokenID]) { rows?.text = prompt }

  /// Hydra++: states that the layer has not read.
  public func unreadCount(_ tokens: [TokenID]) -> Int {
    heads.layer == nil ? 0 : pending.count / heads.hiddenSize
  }

  /// Hydra++: lets the layer read the states that it has not read.
  public mutating func prepare(_ tokens: [TokenID]) async throws -> Int {
    rows?.text = tokens
    let count = unreadCount(tokens)
    try await advance()
    return count
  }

  /// Hydra++: lets the layer read what is pending.
  private mutating func advance() async throws {
    guard let layer = heads.layer, let cache = rows?.cache, !pending.isEmpty else { return }
    let size = heads.hiddenSize
    let count = pending.count / size
    guard position < cache.contextLength else {
      // Behind the layer's own context it guesses nothing more.
      (state, pending) = ([], [])
      return
    }
    let plan = BlockPlan(
      tokens: Array(repeating: 0, count: count),
      positions: (position + 1 - count...position).map { Int32($0) },
      writes: Array(repeating: .append, count: count),
      embeddings: BlockPlan.EmbeddingRows(rows: Array(0..<count), vectors: pending),
      outputs: OutputRequest(rows: .none, taps: [.final]))
    try await layer.forward([SequencePass(plan: plan, cache: cache)], into: result)
    pending.removeAll(keepingCapacity: true)
    rows?.append(position + 1 - count...position)
    if let hidden = result.hiddenStates(.final) { state = Array(hidden.suffix(size)) }
  }

  /// A tree, level by level.
  public mutating func propose(_ context: DraftContext) async throws -> TokenTree {
    rows?.text = context.tokens
    try await advance()
    guard position == context.tokens.count - 2, !state.isEmpty, let root = context.tokens.last else {
      return TokenTree()
    }
    let (heads, width, state) = (heads, width, state)
    let first = state + heads.embedding(of: root)
    return try await LevelExpansion.tree(
      depth: min(depth, context.maximumDepth), width: width, nodeCount: context.maximumNodeCount,
      minimum: minimum, isEnd: { context.stopTokens.contains($0) },
      followers: { tree, level in
        let head = level[0] < 0 ? 0 : tree.nodes[level[0]].depth
        var inputs: [Float] = []
        for node in level {
          inputs += first
          for token in tree.path(to: node) { inputs += heads.embedding(of: token) }
        }
        let logits = try await heads.outputs(of: head, inputs)
        let size = heads.outputSize(of: head)
        return level.enumerated().map { row, node in
          HeadGuesses.best(
            width, of: logits[row * size..<(row + 1) * size],
            allowed: context.allowed(behind: tree.path(to: node), vocabularyCount: size))
        }
      })
  }
}
