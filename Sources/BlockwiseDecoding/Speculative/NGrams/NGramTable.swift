public import BlockwiseFiles

/// What follows the last one to n tokens as a rule, counted once from texts that a model has written: the static cache of
/// llama.cpp's lookup decoding, the datastore of REST (arXiv 2311.08252) at the length of n-grams.
///
/// A context of a length has the most likely followers with their shares; a context that says nothing its shorter end does not say is left
/// out. Contexts are kept as 32 bits of a hash: among a hundred thousand contexts, one that was never counted is taken for another one
/// once in forty thousand times, which costs a wrong guess.
public final class NGramTable: Sendable {
  /// Contexts of one length.
  struct Level: Sendable {
    /// Ascending.
    var keys: [UInt32] = []
    /// Where the followers of a context begin; one more than there are contexts.
    var starts: [UInt32] = [0]
    /// Followers, the likeliest of a context first.
    var tokens: [TokenID] = []
    /// How likely they are, in steps of 1/256.
    var shares: [UInt8] = []
    /// Where the keys with the same upper bits begin.
    private var places: [UInt32] = []
    private var shift: UInt32 = 0

    /// Lets contexts be found.
    mutating func index() {
      var bits = 1
      while 1 << bits < keys.count, bits < 24 { bits += 1 }
      shift = UInt32(32 - bits)
      places = Array(repeating: 0, count: (1 << bits) + 1)
      for key in keys { places[Int(key >> shift) + 1] += 1 }
      for place in 1..<places.count { places[place] += places[place - 1] }
    }

    /// The followers of a context; nil where it is not there.
    func followers(of key: UInt32) -> Range<Int>? {
      let place = Int(key >> shift)
      // About one key; by halves, because files may say otherwise.
      var (index, end) = (Int(places[place]), Int(places[place + 1]))
      while index < end {
        let middle = (index + end) / 2
        if keys[middle] < key { index = middle + 1 } else { end = middle }
      }
      guard index < keys.count, keys[index] == key else { return nil }
      return Int(starts[index])..<Int(starts[index + 1])
    }

    func guess(_ index: Int) -> RankedGuess {
      RankedGuess(token: tokens[index], probability: (Float(shares[index]) + 0.5) / 256)
    }
  }

  /// By length, from one token on.
  let levels: [Level]
  /// Tokens of the vocabulary that it was counted with, and a hash of them: another vocabulary has other numbers.
  public let vocabulary: VocabularyFingerprint
  /// Tokens that were counted.
  public let countedCount: Int

  /// Most followers of a context.
  static let followerLimit = 4
  /// The longest contexts there can be.
  static let lengthLimit = 8

  init(levels: [Level], vocabulary: VocabularyFingerprint, countedCount: Int) {
    self.levels = levels.map { level in
      var level = level
      level.index()
      return level
    }
    self.vocabulary = vocabulary
    self.countedCount = countedCount
  }

  /// Tokens of the longest context.
  public var maximumLength: Int { levels.count }
  /// Contexts of all lengths.
  public var contextCount: Int { levels.reduce(0) { $0 + $1.keys.count } }

  /// What follows the longest of some contexts that is known.
  /// - Parameter contexts: the last token, the last two, and so on.
  func successors(_ contexts: UnsafeBufferPointer<NGramContext>) -> [RankedGuess] {
    for length in stride(from: min(contexts.count, levels.count), through: 1, by: -1) {
      if let range = levels[length - 1].followers(of: contexts[length - 1].key) {
        return range.map(levels[length - 1].guess)
      }
    }
    return []
  }
}
