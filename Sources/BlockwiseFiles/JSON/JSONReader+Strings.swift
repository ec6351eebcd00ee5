extension JSONReader {
  /// The bytes between the quotes as they stand in the text: the string itself if it `hasEscapes` is false.
  package func rawBytes(_ range: StringRange) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(rebasing: text[range.start..<range.end])
  }

  /// The string's UTF-8 bytes, escapes decoded.
  package func bytes(of range: StringRange) -> [UInt8] {
    var result: [UInt8] = []
    append(range, to: &result)
    return result
  }

  /// The string, escapes decoded.
  package func string(_ range: StringRange) -> String {
    range.hasEscapes
      ? String(decoding: bytes(of: range), as: UTF8.self) : string(from: range.start, to: range.end)
  }

  /// Appends the string's UTF-8 bytes, escapes decoded, e.g. to an arena.
  package func append(_ range: StringRange, to bytes: inout [UInt8]) {
    guard range.hasEscapes else {
      bytes.append(contentsOf: text[range.start..<range.end])
      return
    }
    var place = range.start
    while place < range.end {
      // Reading the string has checked every escape, so a failure cannot occur here; it would end the string.
      guard text[place] == UInt8(ascii: "\\") else {
        bytes.append(text[place])
        place += 1
        continue
      }
      guard let escape = try? escape(at: place) else { return }
      bytes.append(contentsOf: UTF8.encode(escape.scalar) ?? UTF8.encodedReplacementCharacter)
      place += escape.length
    }
  }

  /// Whether the string equals `literal`, byte for byte.
  package func equals(_ range: StringRange, _ literal: StaticString) -> Bool {
    let expected = UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount)
    return range.hasEscapes
      ? bytes(of: range).elementsEqual(expected) : rawBytes(range).elementsEqual(expected)
  }

  /// Plain bytes of the text as a string.
  func string(from start: Int, to end: Int) -> String {
    String(decoding: UnsafeBufferPointer(rebasing: text[start..<end]), as: UTF8.self)
  }

  /// Decodes the escape whose backslash is at `place`.
  ///
  /// A character beyond U+FFFF is written as two escapes that belong together. A surrogate alone stands for no
  /// character at all, cannot be written as UTF-8, and is refused.
  func escape(at place: Int) throws(JSONError) -> (scalar: Unicode.Scalar, length: Int) {
    guard place + 1 < text.count else {
      throw JSONError(offset: text.count, in: text, expected: "an escaped character")
    }
    switch text[place + 1] {
    case UInt8(ascii: "\""): return ("\"", 2)
    case UInt8(ascii: "\\"): return ("\\", 2)
    case UInt8(ascii: "/"): return ("/", 2)
    case UInt8(ascii: "b"): return ("\u{8}", 2)
    case UInt8(ascii: "f"): return ("\u{C}", 2)
    case UInt8(ascii: "n"): return ("\n", 2)
    case UInt8(ascii: "r"): return ("\r", 2)
    case UInt8(ascii: "t"): return ("\t", 2)
    case UInt8(ascii: "u"): break
    default:
      throw JSONError(
        offset: place + 1, in: text, expected: #"one of "\/bfnrtu after a backslash"#)
    }
    let unit = try hexDigits(at: place + 2)
    if let scalar = Unicode.Scalar(unit) { return (scalar, 6) }
    // What is no scalar is a surrogate: the first of a pair must come first, the second right after it.
    guard unit < 0xDC00, place + 7 < text.count, text[place + 6] == UInt8(ascii: "\\"),
      text[place + 7] == UInt8(ascii: "u")
    else { throw loneSurrogate(at: place) }
    let second = try hexDigits(at: place + 8)
    guard second >= 0xDC00, second <= 0xDFFF,
      let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (second - 0xDC00))
    else { throw loneSurrogate(at: place) }
    return (scalar, 12)
  }

  private func hexDigits(at place: Int) throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for index in place..<place + 4 {
      let byte = index < text.count ? text[index] : 0
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
      default:
        throw JSONError(offset: min(index, text.count), in: text, expected: "four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
    }
    return value
  }

  private func loneSurrogate(at place: Int) -> JSONError {
    JSONError(
      offset: place, in: text, expected: "a surrogate pair",
      found: "the lone surrogate " + string(from: place, to: place + 6))
  }
}
