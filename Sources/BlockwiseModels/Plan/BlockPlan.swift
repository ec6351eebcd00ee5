public import BlockwiseFiles

/// Rows of one sequence to evaluate together in one forward pass: the unit every decoding method speaks in.
///
/// A row can be a prompt token, a node of a draft tree, a masked canvas position, a probe or an embedding vector.
/// The arrays run in parallel, one entry per row; a plan can be emptied and filled again without allocation.
public struct BlockPlan: Sendable {
  /// The token of every row; ignored where ``embeddings`` gives the row as a vector.
  public var tokens: [TokenID]
  /// Rows given as vectors instead of tokens.
  public var embeddings: EmbeddingRows?
  /// The absolute position of every row (drives rotary embedding and visibility); need not increase.
  public var positions: [Int32]
  /// What becomes of every row's keys and values.
  public var writes: [RowWrite]
  /// Which keys the rows see.
  public var visibility: Visibility
  /// Which keys from before the pass take part.
  public var keys: KeySelection
  /// What to compute.
  public var outputs: OutputRequest

  /// Vectors that stand in for the embedding of some rows.
  public struct EmbeddingRows: Sendable {
    /// The rows of the plan that are given as vectors, in increasing order.
    public var rows: [Int]
    /// f32 `[rows.count, hidden]`, row-major.
    public var vectors: [Float]

    /// Pairs row indices with vectors.
    public init(rows: [Int], vectors: [Float]) {
      self.rows = rows
      self.vectors = vectors
    }
  }

  /// A plan from its parts.
  public init(
    tokens: [TokenID], positions: [Int32], writes: [RowWrite], visibility: Visibility = .causal,
    keys: KeySelection = .all, embeddings: EmbeddingRows? = nil, outputs: OutputRequest = OutputRequest()
  ) {
    self.tokens = tokens
    self.positions = positions
    self.writes = writes
    self.visibility = visibility
    self.keys = keys
    self.embeddings = embeddings
    self.outputs = outputs
  }

  /// Tokens that follow each other from position `start`, all treated alike.
  public init(
    tokens: some Sequence<TokenID>, at start: Int, write: RowWrite = .append,
    visibility: Visibility = .causal,
    outputs: OutputRequest = OutputRequest()
  ) {
    let tokens = Array(tokens)
    self.init(
      tokens: tokens, positions: (0..<tokens.count).map { Int32(start + $0) },
      writes: Array(repeating: write, count: tokens.count), visibility: visibility, outputs: outputs)
  }

  /// A draft tree behind a prefix of `prefixLength` tokens: node `i` sits one position behind its parent.
  /// - Parameter parents: the parent node of every node, less than its own index, or −1.
  public init(
    tree tokens: [TokenID], parents: [Int], prefixLength: Int,
    outputs: OutputRequest = OutputRequest(rows: .all)
  ) {
    var positions: [Int32] = []
    positions.reserveCapacity(tokens.count)
    for (node, parent) in parents.enumerated() {
      precondition(parent >= -1 && parent < node, "parent \(parent) of node \(node) must come before it")
      positions.append(parent < 0 ? Int32(prefixLength) : positions[parent] + 1)
    }
    self.init(
      tokens: tokens, positions: positions, writes: Array(repeating: .scratch, count: tokens.count),
      visibility: .ancestors(parents: parents), outputs: outputs)
  }

  /// Number of rows.
  public var rowCount: Int { tokens.count }
}
