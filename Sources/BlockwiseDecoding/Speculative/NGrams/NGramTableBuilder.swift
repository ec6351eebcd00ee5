public import BlockwiseFiles

/// Counts texts and keeps of what it has counted what is worth its place.
///
/// A context is worth `total × change`: how often it occurred, times by how much the share of one of its followers differs from what the longest
/// kept shorter end of the context says. The least worth is set so that the table has the size that is wanted.
public struct NGramTableBuilder: Sendable {
  private var counts: NGramCounts
  private let vocabulary: VocabularyFingerprint
  /// Tokens that were counted.
  public private(set) var countedCount = 0

  /// The least occurrences of a context: what was seen once may never come again.
  private static let leastTotal: Int32 = 2
  /// Followers with a smaller share are left out.
  private static let leastShare: Float = 0.04
  /// What a context must be worth to be kept, however much room there is.
  private static let leastWorth: Float = 0.3
  /// Most contexts that are counted: beyond them numbers in the lists do not fit, and memory hardly does.
  private static let contextLimit = 1 << 28

  /// Nothing counted yet.
  /// - Parameter maximumLength: tokens of the longest context, 1…8.
  /// - Throws: ``DecodingError/option(_:found:expected:)``.
  public init(maximumLength: Int = 5, vocabulary: VocabularyFingerprint) throws(DecodingError) {
    guard (1...NGramTable.lengthLimit).contains(maximumLength) else {
      throw .option("length", found: "\(maximumLength)", expected: "1…\(NGramTable.lengthLimit)")
    }
    counts = NGramCounts(maximumLength: maximumLength)
    self.vocabulary = vocabulary
  }

  /// Counts a text.
  /// - Parameter start: tokens before it are context only, as a prompt is.
  /// - Throws: ``DecodingError/option(_:found:expected:)`` for a token outside the vocabulary, or too many contexts.
  public mutating func count(_ tokens: [TokenID], from start: Int = 0) throws(DecodingError) {
    for token in tokens where !(0..<vocabulary.tokenCount).contains(token.index) {
      throw .option("token", found: "\(token)", expected: "0…\(vocabulary.tokenCount - 1)")
    }
    for index in start..<max(start, tokens.count) {
      guard counts.entries.count < Self.contextLimit else {
        throw .option(
          "contexts", found: "more than \(Self.contextLimit)", expected: "less text, or shorter contexts")
      }
      counts.count(tokens, at: index)
      countedCount += 1
    }
  }

  /// The table of the contexts that are worth most.
  /// - Parameter byteLimit: of its file, but for the header.
  public func table(byteLimit: Int) -> NGramTable {
    let ranked = ranked()
    var table = table(leastWorth: Self.leastWorth, ranked)
    guard table.byteCount > byteLimit else { return table }
    var (low, high) = (Self.leastWorth, Float(max(2, countedCount)))
    table = self.table(leastWorth: high, ranked)
    for _ in 0..<16 {
      let middle = (low * high).squareRoot()
      let tried = self.table(leastWorth: middle, ranked)
      if tried.byteCount > byteLimit {
        low = middle
      } else {
        (high, table) = (middle, tried)
      }
    }
    return table
  }

  /// A context with its likeliest followers.
  private struct Ranked {
    var key: UInt32
    var entry: Int
    var guesses: [RankedGuess]
  }

  /// By length, the contexts that can be kept at all.
  private func ranked() -> [[Ranked]] {
    var lengths = [UInt8](repeating: 0, count: counts.entries.count)
    var ranked = [[Ranked]](repeating: [], count: counts.maximumLength)
    for (number, entry) in counts.entries.enumerated() {
      // A shorter context comes before the longer ones.
      lengths[number] = entry.shorter < 0 ? 1 : lengths[Int(entry.shorter)] + 1
      guard entry.total >= Self.leastTotal else { continue }
      var guesses: [RankedGuess] = []
      var follower = entry.firstFollower
      while follower >= 0 {
        let found = counts.followers[Int(follower)]
        let share = Float(found.count) / (Float(entry.total) + 0.5)
        if share >= Self.leastShare { guesses.append(RankedGuess(token: found.token, probability: share)) }
        follower = found.next
      }
      guard !guesses.isEmpty else { continue }
      guesses.sort { ($1.probability, $0.token) < ($0.probability, $1.token) }
      ranked[Int(lengths[number]) - 1].append(
        Ranked(
          key: NGramContext(hash: entry.hash).key, entry: number,
          guesses: Array(guesses.prefix(NGramTable.followerLimit))))
    }
    for length in ranked.indices {
      ranked[length].sort { ($0.key, $0.entry) < ($1.key, $1.entry) }
    }
    return ranked
  }

  private func table(leastWorth: Float, _ ranked: [[Ranked]]) -> NGramTable {
    // What kept contexts say, by entry.
    var kept: [Int32: [RankedGuess]] = [:]
    /// What the longest kept end says that is not longer than an entry.
    func said(of entry: Int32) -> [RankedGuess] {
      var entry = entry
      while entry >= 0 {
        if let known = kept[entry] { return known }
        entry = counts.entries[Int(entry)].shorter
      }
      return []
    }
    var levels: [NGramTable.Level] = []
    for contexts in ranked {
      var level = NGramTable.Level()
      for context in contexts {
        let entry = counts.entries[context.entry]
        let shorter = said(of: entry.shorter)
        let change = context.guesses.reduce(Float(0)) { change, guess in
          let before = shorter.first { $0.token == guess.token }?.probability ?? 0
          return max(change, abs(guess.probability - before))
        }
        // Of two contexts with one key the first stays.
        guard Float(entry.total) * change >= leastWorth, level.keys.last != context.key else { continue }
        kept[Int32(context.entry)] = context.guesses
        level.keys.append(context.key)
        for guess in context.guesses {
          level.tokens.append(guess.token)
          level.shares.append(UInt8(min(255, max(0, guess.probability * 256))))
        }
        level.starts.append(UInt32(level.tokens.count))
      }
      levels.append(level)
    }
    return NGramTable(levels: levels, vocabulary: vocabulary, countedCount: countedCount)
  }
}
