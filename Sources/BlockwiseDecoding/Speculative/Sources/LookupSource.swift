public import BlockwiseFiles

/// Prompt lookup (Saxena 2023, "prompt lookup decoding"): where the last few tokens have stood before, what followed
/// then is guessed again. The longest of the n-grams that is found counts, and of its places the latest.
public struct LookupSource: DraftSource {
  /// Tokens of the longest n-gram that is looked up.
  public let maximumLength: Int
  /// Guesses of one proposal.
  public let guessCount: Int
  /// By length − 1: where an n-gram ended last, as the index of the token behind it.
  private var places: [[[TokenID]: Int]]
  private var indexedCount = 0

  /// A source with nothing to look up yet.
  public init(maximumLength: Int = 3, guessCount: Int = 10) {
    self.maximumLength = maximumLength
    self.guessCount = guessCount
    places = Array(repeating: [:], count: maximumLength)
  }

  /// Indexes the prompt.
  public mutating func start(_ prompt: [TokenID]) { index(prompt) }
  /// Indexes what is new.
  public mutating func observe(_ round: DraftRound) { index(round.tokens) }

  /// N-grams that end before the last token: the last ones have nothing behind them yet.
  private mutating func index(_ tokens: [TokenID]) {
    while indexedCount + 1 < tokens.count {
      let end = indexedCount + 1
      for length in 1...maximumLength where length <= end {
        places[length - 1][Array(tokens[end - length..<end])] = end
      }
      indexedCount = end
    }
  }

  /// A chain.
  public mutating func propose(_ context: DraftContext) -> TokenTree {
    let tokens = context.tokens
    for length in stride(from: min(maximumLength, tokens.count), through: 1, by: -1) {
      guard let place = places[length - 1][Array(tokens.suffix(length))] else { continue }
      let count = min(guessCount, context.maximumDepth, context.maximumNodeCount)
      return TokenTree(
        chain: Self.copy(of: tokens, from: place, count: count),
        confidence: Float(length) / Float(length + 1))
    }
    return TokenTree()
  }

  /// Tokens from a place on; behind the end the copy reads itself, so that what repeats goes on repeating.
  static func copy(of tokens: [TokenID], from place: Int, count: Int) -> [TokenID] {
    var copy: [TokenID] = []
    for offset in 0..<count {
      let index = place + offset
      copy.append(index < tokens.count ? tokens[index] : copy[index - tokens.count])
    }
    return copy
  }
}
