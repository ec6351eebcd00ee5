public import BlockwiseFiles

/// Guesses of what follows a sequence: every node is a token that may stand behind its parent's, the nodes without a
/// parent behind the last token of the sequence (the *root*, which is no node).
///
/// Nodes are numbered so that parents come before their children; siblings keep the order in which they were added.
public struct TokenTree: Sendable, Hashable {
  /// One guess.
  public struct Node: Sendable, Hashable {
    /// What is guessed.
    public var token: TokenID
    /// The node before it, or −1 for the root.
    public var parent: Int
    /// Tokens from the root: 1 for its children.
    public var depth: Int
    /// How likely its sources think it is, given that the parent is right: 0…1.
    public var confidence: Float
    /// Bit `s` says that source number `s` guessed it.
    public var sources: UInt64

    fileprivate var firstChild = -1
    fileprivate var lastChild = -1
    fileprivate var nextSibling = -1
  }

  /// All guesses.
  public private(set) var nodes: [Node] = []
  /// The distributions that the children of a node (−1 for the root) were drawn from without replacement, in the order of
  /// the children; nodes whose children were not drawn have none.
  public private(set) var draws: [Int: DraftDistribution] = [:]
  private var firstRoot = -1
  private var lastRoot = -1

  /// A tree without guesses.
  public init() {}

  /// A tree of one path.
  public init(chain tokens: some Sequence<TokenID>, confidence: Float = 0.5) {
    var parent = -1
    for token in tokens { parent = insert(token, parent: parent, confidence: confidence) }
  }

  /// The number of guesses.
  public var count: Int { nodes.count }
  /// Whether nothing is guessed.
  public var isEmpty: Bool { nodes.isEmpty }
  /// The largest depth; 0 for a tree without guesses.
  public var depth: Int { nodes.reduce(0) { max($0, $1.depth) } }

  /// Adds a guess, or finds it where a sibling has the same token already: that one then belongs to both sources and has
  /// the larger confidence.
  /// - Parameter parent: a node, or −1.
  /// - Returns: the node's number.
  @discardableResult
  public mutating func insert(_ token: TokenID, parent: Int, confidence: Float, sources: UInt64 = 1) -> Int {
    precondition(parent >= -1 && parent < nodes.count, "parent \(parent) of \(nodes.count) nodes")
    if let known = child(of: parent, token: token) {
      nodes[known].confidence = max(nodes[known].confidence, confidence)
      nodes[known].sources |= sources
      return known
    }
    let depth = parent < 0 ? 1 : nodes[parent].depth + 1
    let number = nodes.count
    nodes.append(
      Node(token: token, parent: parent, depth: depth, confidence: confidence, sources: sources))
    let last = parent < 0 ? lastRoot : nodes[parent].lastChild
    if last >= 0 {
      nodes[last].nextSibling = number
    } else if parent < 0 {
      firstRoot = number
    } else {
      nodes[parent].firstChild = number
    }
    if parent < 0 { lastRoot = number } else { nodes[parent].lastChild = number }
    return number
  }

  /// Says what the children of a node were drawn from.
  public mutating func setDraws(_ distribution: DraftDistribution, of parent: Int) {
    draws[parent] = distribution
  }

  /// The guesses behind a node (−1 for the root), in their order.
  public func children(of parent: Int) -> [Int] {
    var children: [Int] = []
    var next = parent < 0 ? firstRoot : nodes[parent].firstChild
    while next >= 0 {
      children.append(next)
      next = nodes[next].nextSibling
    }
    return children
  }

  /// The guess behind a node (−1 for the root) that is `token`.
  public func child(of parent: Int, token: TokenID) -> Int? {
    var next = parent < 0 ? firstRoot : nodes[parent].firstChild
    while next >= 0 {
      if nodes[next].token == token { return next }
      next = nodes[next].nextSibling
    }
    return nil
  }

  /// The tokens from the root's child to a node; none for −1.
  public func path(to node: Int) -> [TokenID] {
    var tokens: [TokenID] = []
    var next = node
    while next >= 0 {
      tokens.append(nodes[next].token)
      next = nodes[next].parent
    }
    return tokens.reversed()
  }

  /// Adds another tree's guesses, as those of a source. Draws of a node are taken over only where it has no children yet, and
  /// a node whose children were drawn gets no others: the law of draws without replacement speaks of all of them.
  public mutating func merge(_ other: TokenTree, source: Int) {
    precondition(source < 64, "source number \(source)")
    var numbers: [Int] = []
    numbers.reserveCapacity(other.count)
    var drawn = other.draws.filter { $0.key < 0 && firstRoot < 0 }
    for (index, node) in other.nodes.enumerated() {
      let parent = node.parent < 0 ? -1 : numbers[node.parent]
      if parent == Self.leftOut || draws[parent] != nil && child(of: parent, token: node.token) == nil {
        numbers.append(Self.leftOut)
        continue
      }
      let before = nodes.count
      numbers.append(
        insert(node.token, parent: parent, confidence: node.confidence, sources: 1 << UInt64(source)))
      if numbers[index] == before, let draws = other.draws[index] { drawn[before] = draws }
    }
    draws.merge(drawn) { known, _ in known }
  }

  /// The number of a node of a merged tree that was not taken over.
  private static let leftOut = -2

  /// The tree of some of the nodes.
  /// - Parameter kept: in increasing order; the parent of each is among them.
  public func keeping(_ kept: [Int]) -> TokenTree {
    guard kept.count < nodes.count else { return self }
    var tree = TokenTree()
    var numbers = [Int](repeating: -1, count: nodes.count)
    for index in kept {
      let node = nodes[index]
      precondition(node.parent < 0 || numbers[node.parent] >= 0, "node \(index) without its parent")
      numbers[index] = tree.insert(
        node.token, parent: node.parent < 0 ? -1 : numbers[node.parent], confidence: node.confidence,
        sources: node.sources)
    }
    for (parent, distribution) in draws {
      if parent < 0 {
        tree.draws[-1] = distribution
      } else if numbers[parent] >= 0 {
        tree.draws[numbers[parent]] = distribution
      }
    }
    return tree
  }
}

/// A distribution that a draft was drawn from: the tokens of positive probability in the order of their ids.
public struct DraftDistribution: Sendable, Hashable {
  /// The tokens, ascending.
  public var tokens: [TokenID]
  /// Their probabilities; the sum is 1.
  public var probabilities: [Float]

  /// A distribution from pairs in the order of the ids.
  public init(_ pairs: [(token: TokenID, probability: Float)]) {
    tokens = pairs.map(\.token)
    probabilities = pairs.map(\.probability)
  }
}
