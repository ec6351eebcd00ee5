internal import BlockwiseFiles

/// Token Recycling (arXiv 2408.08696): remembers, for every token, the most likely followers that the last row of that
/// token named, and guesses along these.
///
/// The published method takes a fixed tree of 80 nodes by ranks; here the remembered probabilities order the nodes, so
/// that any number of them is the likeliest of that size.
public struct RecycleSource: DraftSource {
  /// Followers that are remembered.
  public let followerCount: Int
  /// Most guesses of one proposal.
  public let guessCount: Int
  private var followers: [TokenID: [RankedGuess]] = [:]

  /// A source that remembers nothing yet.
  public init(followerCount: Int = 8, guessCount: Int = 32) {
    self.followerCount = followerCount
    self.guessCount = guessCount
  }

  /// As many as are remembered.
  public var wantedTopCount: Int { followerCount }

  /// Remembers every row, accepted or not.
  public mutating func observe(_ round: DraftRound) {
    for row in round.rows where !row.top.isEmpty { followers[row.token] = row.top }
  }

  /// A tree in the order of the remembered probabilities.
  public mutating func propose(_ context: DraftContext) -> TokenTree {
    guard let root = context.tokens.last else { return TokenTree() }
    return BestFirstExpansion.tree(
      nodeCount: min(guessCount, context.maximumNodeCount), depth: context.maximumDepth
    ) { tree, node in
      followers[node < 0 ? root : tree.nodes[node].token] ?? []
    }
  }
}
