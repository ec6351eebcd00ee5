/// The normalisation of SentencePiece models (`normalizer_spec`): character rules, spaces folded and written as ▁,
/// a space before the text.
struct SentencePieceNormalizer: Sendable {
  var map: CharacterMap?
  /// Tokens that stand in text as they are.
  var userDefined = ByteTrie([])
  var addsPrefix = true
  /// Leading and trailing spaces go, runs become one space.
  var removesExtraSpaces = true
  /// Spaces are written as ▁.
  var escapesSpaces = true
  /// The space before the text is only for the beginning of the whole input, not for what follows a special token.
  var prefixesOnlyStart = false

  private static let space: UInt8 = 0x20

  func apply(_ text: UnsafeBufferPointer<UInt8>, isAtStart: Bool) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count + text.count / 4 + 3)
    var index = 0
    if removesExtraSpaces {
      while index < text.count {
        let (end, replacement) = piece(text, at: index)
        let isSpace =
          replacement.map { $0.elementsEqual(CollectionOfOne(Self.space)) }
          ?? (end == index + 1 && text[index] == Self.space)
        guard isSpace else { break }
        index = end
      }
    }
    if index == text.count { return output }
    let spaceBytes = escapesSpaces ? SpaceMark.bytes : [Self.space]
    if addsPrefix && (isAtStart || !prefixesOnlyStart) { output.append(contentsOf: spaceBytes) }

    var isAfterSpace = removesExtraSpaces
    func append(_ piece: some Collection<UInt8>) {
      var isEmpty = true
      var last: UInt8 = 0
      for byte in piece {
        if byte == Self.space {
          // Only the spaces that a piece begins with fold into the one before it.
          if isAfterSpace && isEmpty { continue }
          output.append(contentsOf: spaceBytes)
        } else {
          output.append(byte)
        }
        isEmpty = false
        last = byte
      }
      // A piece that vanished leaves the state as it was.
      if !isEmpty { isAfterSpace = removesExtraSpaces && last == Self.space }
    }
    while index < text.count {
      let (end, replacement) = piece(text, at: index)
      if let replacement {
        append(replacement)
      } else {
        append(UnsafeBufferPointer(rebasing: text[index..<end]))
      }
      index = end
    }
    if removesExtraSpaces {
      while output.suffix(spaceBytes.count).elementsEqual(spaceBytes) {
        output.removeLast(spaceBytes.count)
      }
    }
    return output
  }

  /// Where what stands at `start` ends, and what a rule makes of it.
  private func piece(
    _ text: UnsafeBufferPointer<UInt8>, at start: Int
  ) -> (end: Int, replacement: ArraySlice<UInt8>?) {
    if let symbol = userDefined.longestMatch(in: text, at: start) { return (symbol.end, nil) }
    if let rule = map?.longestRule(in: text, at: start) { return rule }
    return (start + UTF8Text.scalar(text, at: start).length, nil)
  }
}
