public import BlockwiseFiles

/// A set of allowed tokens: one bit per entry of the vocabulary.
public struct TokenMask: Sendable, Hashable {
  /// Tokens `0..<vocabularyCount` can be members.
  public let vocabularyCount: Int
  /// Bit `t & 63` of word `t >> 6` belongs to token `t`; bits beyond the vocabulary are zero.
  package private(set) var words: [UInt64]

  /// A set that holds nothing, or everything.
  public init(vocabularyCount: Int, allowingAll: Bool = false) {
    precondition(vocabularyCount >= 0, "a vocabulary of \(vocabularyCount) tokens")
    self.vocabularyCount = vocabularyCount
    words = Array(repeating: 0, count: (vocabularyCount + 63) / 64)
    if allowingAll { allowAll() }
  }

  /// Makes every token a member.
  public mutating func allowAll() {
    for word in words.indices { words[word] = .max }
    clearPadding()
  }

  /// Removes every token.
  public mutating func denyAll() {
    for word in words.indices { words[word] = 0 }
  }

  /// Makes a token a member.
  public mutating func insert(_ token: TokenID) {
    precondition(isInVocabulary(token), "token \(token) of a vocabulary of \(vocabularyCount)")
    words[token.index >> 6] |= 1 << UInt64(token.index & 63)
  }

  /// Removes a token.
  public mutating func remove(_ token: TokenID) {
    precondition(isInVocabulary(token), "token \(token) of a vocabulary of \(vocabularyCount)")
    words[token.index >> 6] &= ~(1 << UInt64(token.index & 63))
  }

  /// Whether the token is a member; tokens outside of the vocabulary never are.
  public func contains(_ token: TokenID) -> Bool {
    isInVocabulary(token) && words[token.index >> 6] & (1 << UInt64(token.index & 63)) != 0
  }

  /// Keeps the tokens that are also members of `other`.
  public mutating func formIntersection(_ other: TokenMask) {
    for word in words.indices { words[word] &= word < other.words.count ? other.words[word] : 0 }
  }

  /// Adds the members of `other` that are in this vocabulary.
  public mutating func formUnion(_ other: TokenMask) {
    for word in 0..<min(words.count, other.words.count) { words[word] |= other.words[word] }
    clearPadding()
  }

  /// The tokens that are members of both.
  public func intersection(_ other: TokenMask) -> TokenMask {
    var result = self
    result.formIntersection(other)
    return result
  }

  /// Calls `body` with every member in ascending order.
  @inline(__always)
  public func forEach(_ body: (TokenID) throws -> Void) rethrows {
    for (index, word) in words.enumerated() {
      var rest = word
      while rest != 0 {
        try body(TokenID(index << 6 + rest.trailingZeroBitCount))
        rest &= rest - 1
      }
    }
  }

  /// The number of members.
  public var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// Whether nothing is a member.
  public var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  /// The only member, or nil when there is none or several: such a token needs no forward pass.
  public var onlyMember: TokenID? {
    var found: TokenID?
    for (index, word) in words.enumerated() where word != 0 {
      guard found == nil, word.nonzeroBitCount == 1 else { return nil }
      found = TokenID(index << 6 + word.trailingZeroBitCount)
    }
    return found
  }

  private func isInVocabulary(_ token: TokenID) -> Bool { token >= 0 && token.index < vocabularyCount }

  private mutating func clearPadding() {
    let used = vocabularyCount & 63
    if used != 0, let last = words.indices.last { words[last] &= (1 << UInt64(used)) - 1 }
  }
}
