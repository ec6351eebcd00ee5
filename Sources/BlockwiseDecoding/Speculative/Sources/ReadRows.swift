internal import BlockwiseFiles
internal import BlockwiseModels

/// The rows that a head's own layer has read, by their positions in the text: all of them, but for holes where a generation
/// began behind a prefix that the model had cached.
struct ReadRows {
  /// Holds a row for each of ``positions``.
  let cache: CacheHandle
  private(set) var positions: [Int] = []
  /// The text that they belong to, as far as it is known.
  var text: [TokenID] = []

  init(_ cache: CacheHandle) { self.cache = cache }

  /// Takes in that the cache has rows of more positions.
  mutating func append(_ more: some Sequence<Int>) { positions += more }

  /// Lets go of rows that do not belong to a new prompt, and of those whose states will be told again.
  /// - Parameters:
  ///   - cachedCount: tokens at the prompt's front whose states are not told again.
  ///   - ahead: tokens behind its own that a row rests on.
  mutating func resume(_ prompt: [TokenID], cachedCount: Int, ahead: Int) throws {
    var common = 0
    while common < min(text.count, prompt.count), text[common] == prompt[common] { common += 1 }
    let kept = min(
      positions.firstIndex { $0 + ahead >= common || $0 >= cachedCount } ?? positions.count,
      try cache.committedCount)
    text = Array(prompt.prefix(min(common, cachedCount)))
    positions.removeSubrange(kept...)
    try cache.truncate(to: kept)
  }
}
