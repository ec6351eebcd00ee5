/// One step of the normalisation that a tokenizer applies to text before it cuts it into words.
enum TextNormalizer: Sendable {
  case unicode(UnicodeNormalizer)
  /// Puts bytes before any text that is not empty.
  case prepend([UInt8])
  /// Replaces every occurrence.
  case replace([UInt8], with: [UInt8])
  /// Replaces every match.
  case replaceMatches(Expression, with: [UInt8])
  case lowercase
  /// Removes whitespace at the ends.
  case strip(left: Bool, right: Bool)
  case stripAccents
  case sentencePiece(SentencePieceNormalizer)
  /// Character rules alone.
  case characterMap(CharacterMap)

  /// The normalised text, or nil when this step changes nothing.
  ///
  /// - Parameters:
  ///   - text: valid UTF-8; so is the result.
  ///   - isAtStart: whether the text is the beginning of the whole input.
  func apply(_ text: UnsafeBufferPointer<UInt8>, isAtStart: Bool) -> [UInt8]? {
    switch self {
    case .unicode(let normalizer): return normalizer.normalized(text)
    case .prepend(let prefix): return text.isEmpty ? nil : prefix + text
    case .replace(let pattern, let content):
      return Self.replacing(pattern, in: text, with: content)
    case .replaceMatches(let expression, let content):
      return Self.replacing(expression.matches(in: text, range: 0..<text.count), in: text, with: content)
    case .lowercase: return Self.mapScalars(text) { $0.properties.lowercaseMapping }
    case .strip(let left, let right):
      let range = Self.stripped(text, left: left, right: right)
      return range.count == text.count ? nil : Array(text[range])
    case .sentencePiece(let normalizer): return normalizer.apply(text, isAtStart: isAtStart)
    case .characterMap(let map): return map.normalizeCharacters(text)
    case .stripAccents:
      return Self.mapScalars(text) {
        ScalarClassTable.shared[$0.value].contains(.mark) ? "" : nil
      }
    }
  }

  /// `text` with every occurrence of `pattern` replaced, leftmost first; nil when there is none.
  static func replacing(
    _ pattern: [UInt8], in text: UnsafeBufferPointer<UInt8>, with content: [UInt8]
  ) -> [UInt8]? {
    guard let first = pattern.first, text.count >= pattern.count else { return nil }
    var output: [UInt8] = []
    var copied = 0
    var index = 0
    while index + pattern.count <= text.count {
      guard text[index] == first, text[index..<index + pattern.count].elementsEqual(pattern) else {
        index += 1
        continue
      }
      if output.isEmpty && copied == 0 { output.reserveCapacity(text.count + text.count / 2) }
      output.append(contentsOf: text[copied..<index])
      output.append(contentsOf: content)
      index += pattern.count
      copied = index
    }
    if copied == 0 { return nil }
    output.append(contentsOf: text[copied...])
    return output
  }

  private static func replacing(
    _ matches: [Range<Int>], in text: UnsafeBufferPointer<UInt8>, with content: [UInt8]
  ) -> [UInt8]? {
    if matches.isEmpty { return nil }
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    var copied = 0
    for match in matches {
      output.append(contentsOf: text[copied..<match.lowerBound])
      output.append(contentsOf: content)
      copied = match.upperBound
    }
    output.append(contentsOf: text[copied...])
    return output
  }

  private static func mapScalars(
    _ text: UnsafeBufferPointer<UInt8>, _ mapping: (Unicode.Scalar) -> String?
  ) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      let (value, length) = UTF8Text.scalar(text, at: index)
      if let scalar = Unicode.Scalar(value), let mapped = mapping(scalar) {
        output.append(contentsOf: mapped.utf8)
      } else {
        output.append(contentsOf: text[index..<index + length])
      }
      index += length
    }
    return output
  }

  private static func stripped(
    _ text: UnsafeBufferPointer<UInt8>, left: Bool, right: Bool
  ) -> Range<Int> {
    let classes = ScalarClassTable.shared
    var start = 0
    var end = text.count
    while left, start < end {
      let (value, length) = UTF8Text.scalar(text, at: start)
      guard classes[value].contains(.space) else { break }
      start += length
    }
    while right, end > start {
      let last = UTF8Text.start(ofScalarBefore: end, in: text)
      guard classes[UTF8Text.scalar(text, at: last).value].contains(.space) else { break }
      end = last
    }
    return start..<end
  }
}
