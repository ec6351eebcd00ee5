/// How many tokens a vocabulary has and a hash of their bytes: whether two vocabularies give the same numbers the same meaning.
public struct VocabularyFingerprint: Sendable, Hashable {
  /// Tokens of the vocabulary.
  public var tokenCount: Int
  /// FNV-1a over the tokens' lengths and bytes, in their order.
  public var hash: UInt64

  /// A fingerprint that was kept.
  public init(tokenCount: Int, hash: UInt64) {
    self.tokenCount = tokenCount
    self.hash = hash
  }

  /// The fingerprint of tokens, given by their bytes.
  public init(_ tokens: some Sequence<[UInt8]>) {
    tokenCount = 0
    hash = 0xCBF2_9CE4_8422_2325
    for bytes in tokens {
      tokenCount += 1
      withUnsafeBytes(of: UInt32(truncatingIfNeeded: bytes.count).littleEndian) { mix($0) }
      bytes.withUnsafeBytes { mix($0) }
    }
  }

  private mutating func mix(_ bytes: UnsafeRawBufferPointer) {
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
  }
}
