public import BlockwiseFiles

/// Counts what followed the last one to n tokens so far and guesses by those counts, the longest context that has been
/// seen first (the n-gram cache of llama.cpp's lookup decoding, as a tree).
public struct NGramSource: DraftSource {
  /// Tokens of the longest context.
  public let maximumLength: Int
  /// Guesses of one proposal.
  public let guessCount: Int
  /// By length − 1: how often each token followed a context.
  private var followers: [[[TokenID]: [TokenID: Int]]]
  private var countedCount = 0

  /// A source that has counted nothing yet.
  public init(maximumLength: Int = 4, guessCount: Int = 16) {
    self.maximumLength = maximumLength
    self.guessCount = guessCount
    followers = Array(repeating: [:], count: maximumLength)
  }

  /// Counts the prompt.
  public mutating func start(_ prompt: [TokenID]) { count(prompt) }
  /// Counts what is new.
  public mutating func observe(_ round: DraftRound) { count(round.tokens) }

  private mutating func count(_ tokens: [TokenID]) {
    for index in max(1, countedCount)..<max(1, countedCount, tokens.count) {
      for length in 1...maximumLength where length <= index {
        followers[length - 1][Array(tokens[index - length..<index]), default: [:]][
          tokens[index], default: 0] += 1
      }
    }
    countedCount = max(countedCount, tokens.count)
  }

  /// A tree in the order of the shares.
  public mutating func propose(_ context: DraftContext) -> TokenTree {
    let tail = Array(context.tokens.suffix(maximumLength))
    return BestFirstExpansion.tree(
      nodeCount: min(guessCount, context.maximumNodeCount), depth: context.maximumDepth, minimum: 0.05
    ) { tree, node in
      successors(Array((tail + tree.path(to: node)).suffix(maximumLength)))
    }
  }

  /// Shares behind the longest context that has been seen. One count more than there are keeps a single sight from being certain.
  private func successors(_ context: [TokenID]) -> [RankedGuess] {
    for length in stride(from: context.count, through: 1, by: -1) {
      guard let counts = followers[length - 1][Array(context.suffix(length))] else { continue }
      let total = Float(counts.values.reduce(1, +))
      return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(4)
        .map { RankedGuess(token: $0.key, probability: Float($0.value) / total) }
    }
    return []
  }
}
