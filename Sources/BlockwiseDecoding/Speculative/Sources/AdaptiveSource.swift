public import BlockwiseFiles

/// ADED's tri-grams (arXiv 2407.12021): what followed the last two tokens, in a corpus and in the text so far, searched
/// for the likeliest paths.
///
/// The default expands the best node first, which gives the likeliest tree of every size. ``PublishedTrigramSource``
/// searches as the paper does.
public struct AdaptiveSource: DraftSource {
  /// Most guesses of one proposal.
  public let guessCount: Int
  private var table: TrigramTable
  private var countedCount = 0

  /// A source over a corpus (its tokens; none for what the text itself teaches).
  public init(guessCount: Int = 32, corpus: [TokenID] = []) {
    self.guessCount = guessCount
    table = TrigramTable(corpus: corpus)
  }

  /// Counts the prompt.
  public mutating func start(_ prompt: [TokenID]) { count(prompt) }
  /// Counts what is new.
  public mutating func observe(_ round: DraftRound) { count(round.tokens) }

  private mutating func count(_ tokens: [TokenID]) {
    for end in countedCount..<max(countedCount, tokens.count) { table.count(tokens[max(0, end - 2)...end]) }
    countedCount = max(countedCount, tokens.count)
  }

  /// A tree in the order of the paths' probabilities.
  public mutating func propose(_ context: DraftContext) -> TokenTree {
    guard let root = context.tokens.last else { return TokenTree() }
    let before = context.tokens.dropLast().last
    return BestFirstExpansion.tree(
      nodeCount: min(guessCount, context.maximumNodeCount), depth: context.maximumDepth
    ) { tree, node in
      guard node >= 0 else { return table.successors(before, root) }
      let parent = tree.nodes[node].parent
      return table.successors(parent < 0 ? root : tree.nodes[parent].token, tree.nodes[node].token)
    }
  }
}
