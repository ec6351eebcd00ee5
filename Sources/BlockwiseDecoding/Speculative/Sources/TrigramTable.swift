internal import BlockwiseFiles

/// How likely a token is behind two others: shares of a corpus, if there is one, sharpened by what is written meanwhile.
struct TrigramTable: Sendable {
  private struct Pair: Hashable {
    var first: TokenID
    var second: TokenID
  }

  /// Shares of a corpus: the likeliest followers of a pair, best first.
  private var shares: [Pair: [RankedGuess]] = [:]
  /// Counts of the text, by pair and by the last token alone.
  private var counts: [Pair: [TokenID: Float]] = [:]
  private var shortCounts: [TokenID: [TokenID: Float]] = [:]

  /// Followers of a pair that are kept from a corpus.
  static let keptCount = 12
  /// Weight of the corpus in counts of the text.
  private static let corpusWeight: Float = 8
  /// What a guess by the last token alone counts.
  private static let backOff: Float = 0.4

  init() {}

  init(corpus: [TokenID]) {
    var all: [Pair: [TokenID: Float]] = [:]
    for index in 2..<max(2, corpus.count) {
      all[Pair(first: corpus[index - 2], second: corpus[index - 1]), default: [:]][
        corpus[index], default: 0] += 1
    }
    for (pair, followers) in all {
      let total = followers.values.reduce(0, +)
      shares[pair] = followers.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(Self.keptCount)
        .map { RankedGuess(token: $0.key, probability: $0.value / total) }
    }
  }

  /// Counts a token behind those before it.
  mutating func count(_ tokens: ArraySlice<TokenID>) {
    guard let token = tokens.last, tokens.count >= 2 else { return }
    let second = tokens[tokens.endIndex - 2]
    shortCounts[second, default: [:]][token, default: 0] += 1
    guard tokens.count >= 3 else { return }
    counts[Pair(first: tokens[tokens.endIndex - 3], second: second), default: [:]][token, default: 0] += 1
  }

  /// What may follow two tokens: `(κ · share + count) / (κ + counts)`, and by the last token alone where the pair is new.
  func successors(_ first: TokenID?, _ second: TokenID) -> [RankedGuess] {
    if let first {
      let pair = Pair(first: first, second: second)
      let known = shares[pair] ?? []
      let seen = counts[pair] ?? [:]
      if !known.isEmpty || !seen.isEmpty {
        let weight = known.isEmpty ? 1 : Self.corpusWeight
        let total = weight + seen.values.reduce(0, +)
        var merged = seen
        for guess in known { merged[guess.token, default: 0] += weight * guess.probability }
        return Self.ranked(merged, total: total)
      }
    }
    guard let seen = shortCounts[second] else { return [] }
    return Self.ranked(seen, total: (1 + seen.values.reduce(0, +)) / Self.backOff)
  }

  private static func ranked(_ weights: [TokenID: Float], total: Float) -> [RankedGuess] {
    weights.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(keptCount)
      .map { RankedGuess(token: $0.key, probability: $0.value / total) }
  }
}
