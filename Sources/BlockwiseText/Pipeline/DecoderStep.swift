/// One step on the way from token texts back to text.
enum DecoderStep: Sendable, Hashable {
  /// Spelled bytes → bytes → text; broken UTF-8 becomes U+FFFD. Fuses all tokens.
  case byteLevel
  /// As ``byteLevel`` for vocabularies whose entries are plain text and `<0xNN>`.
  case plainBytes
  /// Replaces bytes within a token, or within the text once tokens are fused.
  case replace([UInt8], with: [UInt8])
  /// Runs of `<0xNN>` become the text they spell, or one U+FFFD per byte when the run is not UTF-8.
  case byteFallback
  /// From here on there is one text instead of tokens.
  case fuse
  /// Removes up to so many leading and trailing occurrences of a scalar.
  case strip([UInt8], start: Int, stop: Int)
  /// The replacement scalar becomes a space; in the first token it vanishes if the encoder prepended it.
  case metaspace([UInt8], dropsFirst: Bool)
  /// A space between tokens, for tokenizers without any decoder.
  case spaced

  /// The byte that a token named `<0xNN>` stands for.
  static func byte(named token: some Collection<UInt8>) -> UInt8? {
    let token = Array(token.prefix(7))
    guard token.count == 6, token.starts(with: [0x3C, 0x30, 0x78]), token[5] == 0x3E,
      let high = hexDigit(token[3]), let low = hexDigit(token[4])
    else { return nil }
    return high << 4 | low
  }

  /// The name of a byte's token.
  static func name(ofByte byte: UInt8) -> [UInt8] {
    let digits = Array("0123456789ABCDEF".utf8)
    return [0x3C, 0x30, 0x78, digits[Int(byte >> 4)], digits[Int(byte & 15)], 0x3E]
  }

  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }
}
