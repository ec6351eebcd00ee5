public import BlockwiseFiles

/// Guesses what followed the last one to n tokens so far, the longest context that has been seen first (the n-gram cache of
/// llama.cpp's lookup decoding, as a tree), and what a table says of texts like this one.
///
/// With `c` occurrences of the longest context, `k` of them before a token, and a share `p` of the table, the token is guessed with
/// `(k + κ p)/(c + κ)`: κ is 2 where the context is shorter than four tokens, else ½; and 1 where the table says nothing.
public struct NGramSource: DraftSource {
  /// Tokens of the longest context of the text.
  public let maximumLength: Int
  /// Guesses of one proposal.
  public let guessCount: Int
  private let table: NGramTable?
  private var counts: NGramCounts
  private var countedCount = 0

  /// Contexts of so many tokens leave little doubt that the text repeats itself.
  private static let sureLength = 4
  /// Of a token that everything has followed not all is looked at.
  private static let followerLimit = 64
  /// Paths that are less likely are not followed.
  private static let leastProbability: Float = 0.05

  /// A source that has counted nothing yet.
  public init(maximumLength: Int = 4, guessCount: Int = 16, table: NGramTable? = nil) {
    self.maximumLength = maximumLength
    self.guessCount = guessCount
    self.table = table
    counts = NGramCounts(maximumLength: maximumLength)
  }

  /// Counts the prompt.
  public mutating func start(_ prompt: [TokenID]) { count(prompt) }
  /// Counts what is new.
  public mutating func observe(_ round: DraftRound) { count(round.tokens) }

  private mutating func count(_ tokens: [TokenID]) {
    for index in max(1, countedCount)..<max(1, countedCount, tokens.count) { counts.count(tokens, at: index) }
    countedCount = max(countedCount, tokens.count)
  }

  /// A tree in the order of the shares.
  public mutating func propose(_ context: DraftContext) -> TokenTree {
    let capacity = max(maximumLength, table?.maximumLength ?? 0)
    return withUnsafeTemporaryAllocation(of: NGramContext.self, capacity: capacity) { contexts in
      BestFirstExpansion.tree(
        nodeCount: min(guessCount, context.maximumNodeCount), depth: context.maximumDepth,
        minimum: Self.leastProbability
      ) { tree, node in
        var last = NGramContext()
        var (node, left, count) = (node, context.tokens.count, 0)
        while count < capacity {
          if node >= 0 {
            last.extend(by: tree.nodes[node].token)
            node = tree.nodes[node].parent
          } else if left > 0 {
            left -= 1
            last.extend(by: context.tokens[left])
          } else {
            break
          }
          contexts.initializeElement(at: count, to: last)
          count += 1
        }
        return successors(UnsafeBufferPointer(rebasing: UnsafeBufferPointer(contexts)[..<count]))
      }
    }
  }

  private func successors(_ contexts: UnsafeBufferPointer<NGramContext>) -> [RankedGuess] {
    var found: NGramCounts.Entry?
    var length = 0
    while length < min(maximumLength, contexts.count), let entry = counts.entry(contexts[length]) {
      found = counts.entries[entry]
      length += 1
    }
    let known = table?.successors(contexts) ?? []
    guard let found else { return known }
    if known.isEmpty { return shares(found, weight: 1, beside: []) }
    // One token of the text says less than the table does.
    guard length > 1 else { return known }
    return shares(found, weight: length < Self.sureLength ? 2 : 0.5, beside: known)
  }

  /// The likeliest followers of a context. A weight more than there are occurrences keeps a single sight from being certain.
  private func shares(_ entry: NGramCounts.Entry, weight: Float, beside known: [RankedGuess]) -> [RankedGuess]
  {
    let total = Float(entry.total) + weight
    var guesses = known
    for index in guesses.indices { guesses[index].probability *= weight / total }
    var follower = entry.firstFollower
    var left = Self.followerLimit
    while follower >= 0, left > 0 {
      left -= 1
      let next = counts.followers[Int(follower)]
      let share = Float(next.count) / total
      if let index = known.firstIndex(where: { $0.token == next.token }) {
        guesses[index].probability += share
      } else {
        guesses.append(RankedGuess(token: next.token, probability: share))
      }
      follower = next.next
    }
    guesses.sort { ($1.probability, $0.token) < ($0.probability, $1.token) }
    return guesses.count > NGramTable.followerLimit
      ? Array(guesses.prefix(NGramTable.followerLimit)) : guesses
  }
}
