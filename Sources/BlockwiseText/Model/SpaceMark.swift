/// The scalar U+2581 (▁), as which SentencePiece vocabularies write a space.
///
/// Those tokenizers have no pre-tokeniser: a whole document is one word. Almost all of their vocabularies have no
/// token with a mark after anything but marks; then nothing merges across such a place, and cutting there gives
/// the same tokens from short words.
enum SpaceMark {
  static let bytes: [UInt8] = [0xE2, 0x96, 0x81]

  /// Whether a mark stands behind a scalar that is not one.
  static func followsOther(in text: UnsafeBufferPointer<UInt8>) -> Bool {
    var count = 0
    forEachStretch(of: text) { _ in count += 1 }
    return count > 1
  }

  /// Hands over the stretches of `text` that begin with marks, and what is before the first mark.
  @inline(__always)
  static func forEachStretch(
    of text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    var start = 0
    var afterMark = true
    var index = 0
    while index < text.count {
      let isMark =
        text[index] == 0xE2 && index + 2 < text.count && text[index + 1] == 0x96 && text[index + 2] == 0x81
      if isMark && !afterMark {
        body(UnsafeBufferPointer(rebasing: text[start..<index]))
        start = index
      }
      afterMark = isMark
      index += isMark ? 3 : 1
    }
    if start < text.count { body(UnsafeBufferPointer(rebasing: text[start...])) }
  }
}
