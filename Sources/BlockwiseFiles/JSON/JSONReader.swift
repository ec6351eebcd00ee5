/// Reads JSON from bytes, value by value, without building anything.
///
/// A pull parser for the texts that are too long for ``JSONValue``: vocabularies, merges, tensor tables. The grammar
/// is RFC 8259 to the letter (no comments, trailing commas, leading zeros, NaN); strings must be valid UTF-8
/// and escaped surrogates must come in pairs, also in values that are skipped. A byte order mark at the start is
/// skipped. Nesting is limited to 256 levels and a number to 1024 bytes.
///
/// ```
/// try reader.beginObject()
/// while let key = try reader.nextKey() {
///   if reader.equals(key, "vocab") { … } else { try reader.skipValue() }
/// }
/// try reader.finish()
/// ```
///
/// Copying a reader copies its place, so a caller can go back to a value noted earlier. The bytes must outlive the
/// reader and everything made from it.
package struct JSONReader {
  /// What kind of value comes next.
  package enum Kind: Sendable {
    case null, bool, number, string, array, object
  }

  /// A string in the text: the bytes between its quotes, escapes still written out.
  package struct StringRange: Sendable, Hashable {
    /// First byte after the opening quote.
    package var start: Int
    /// Offset of the closing quote.
    package var end: Int
    /// Whether the bytes contain a backslash and so differ from the string they stand for.
    package var hasEscapes: Bool
  }

  /// Deepest nesting of arrays and objects.
  package static let depthLimit = 256
  /// Longest number, in bytes: more digits than any number needs, few enough to bound the cost of rounding them.
  package static let numberLengthLimit = 1024

  /// The whole text.
  package let text: UnsafeBufferPointer<UInt8>
  /// Bytes read so far.
  package private(set) var offset: Int
  private var depth = 0
  /// Whether the innermost open container has no element yet: then no comma may come.
  private var isFirst = false

  /// Starts at the beginning of `text`.
  package init(_ text: UnsafeBufferPointer<UInt8>) {
    self.text = text
    let hasMark = text.count >= 3 && text[0] == 0xEF && text[1] == 0xBB && text[2] == 0xBF
    offset = hasMark ? 3 : 0
  }

  /// Starts at the beginning of `text`.
  package init(_ text: UnsafeRawBufferPointer) {
    self.init(text.bindMemory(to: UInt8.self))
  }

  // MARK: Structure

  /// The kind of the value that comes next, by its first byte.
  package mutating func peekKind() throws(JSONError) -> Kind {
    skipWhitespace()
    switch currentByte {
    case Byte.openBrace: return .object
    case Byte.openBracket: return .array
    case Byte.quote: return .string
    case Byte.minus, Byte.zero...Byte.nine: return .number
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "n"): return .null
    default: throw fault("a value")
    }
  }

  /// Enters an object; ``nextKey()`` then gives its members.
  package mutating func beginObject() throws(JSONError) {
    try begin(Byte.openBrace, "an object")
  }

  /// The next member's key, with the reader before its value, or nil with the reader after the object's end.
  package mutating func nextKey() throws(JSONError) -> StringRange? {
    guard try advance(to: Byte.closeBrace, name: "'}'", element: "a key") else { return nil }
    guard currentByte == Byte.quote else { throw fault("a key in quotes") }
    let key = try scanString()
    skipWhitespace()
    guard currentByte == Byte.colon else { throw fault("':'") }
    offset += 1
    return key
  }

  /// Enters an array; ``nextElement()`` then tells whether there is one more value.
  package mutating func beginArray() throws(JSONError) {
    try begin(Byte.openBracket, "an array")
  }

  /// True with the reader before the next element, or false with the reader after the array's end.
  package mutating func nextElement() throws(JSONError) -> Bool {
    try advance(to: Byte.closeBracket, name: "']'", element: "a value")
  }

  /// Checks that nothing but white space follows.
  package mutating func finish() throws(JSONError) {
    skipWhitespace()
    guard offset == text.count, depth == 0 else { throw fault("the end of the text") }
  }

  // MARK: Values

  /// Reads a string, without decoding its escapes; see ``bytes(of:)`` and ``string(_:)``.
  package mutating func readString() throws(JSONError) -> StringRange {
    skipWhitespace()
    guard currentByte == Byte.quote else { throw fault("a string") }
    return try scanString()
  }

  /// Reads a whole number that fits 64 bits; `2.0` and `1e3` are whole numbers too.
  package mutating func readInt() throws(JSONError) -> Int {
    let number = try readNumber()
    if let integer = number.integer { return integer }
    guard let integer = Int(exactly: number.value) else {
      throw JSONError(
        offset: number.start, in: text, expected: "a whole number of at most 64 bits",
        found: string(from: number.start, to: min(offset, number.start + 40)))
    }
    return integer
  }

  /// Reads a number, rounded to the nearest double; numbers beyond the range of a double are refused.
  package mutating func readDouble() throws(JSONError) -> Double {
    try readNumber().value
  }

  /// Reads `true` or `false`.
  package mutating func readBool() throws(JSONError) -> Bool {
    skipWhitespace()
    switch currentByte {
    case UInt8(ascii: "t"):
      try scanWord("true")
      return true
    case UInt8(ascii: "f"):
      try scanWord("false")
      return false
    default: throw fault("true or false")
    }
  }

  /// Reads `null`.
  package mutating func readNull() throws(JSONError) {
    skipWhitespace()
    try scanWord("null")
  }

  /// Reads past one value of any kind, checking its grammar.
  package mutating func skipValue() throws(JSONError) {
    switch try peekKind() {
    case .null: try readNull()
    case .bool: _ = try readBool()
    case .number: _ = try scanNumber()
    case .string: _ = try scanString()
    case .array:
      try beginArray()
      while try nextElement() { try skipValue() }
    case .object:
      try beginObject()
      while try nextKey() != nil { try skipValue() }
    }
  }

  /// A number: always its nearest double, and the exact integer where it is written as one of at most 64 bits.
  package struct Number: Sendable, Hashable {
    /// Where the number starts in the text.
    package var start: Int
    /// The exact value if it has neither fraction nor exponent and fits.
    package var integer: Int?
    /// The nearest double; finite.
    package var value: Double
  }

  /// Reads a number; see ``Number``.
  package mutating func readNumber() throws(JSONError) -> Number {
    skipWhitespace()
    let start = offset
    let isInteger = try scanNumber()
    if isInteger, let integer = integer(from: start, to: offset) {
      return Number(start: start, integer: integer, value: Double(integer))
    }
    // The standard library parses in the C locale whatever the process has set.
    guard let value = Double(string(from: start, to: offset)), value.isFinite else {
      throw JSONError(
        offset: start, in: text, expected: "a number within the range of a double",
        found: string(from: start, to: min(offset, start + 40)))
    }
    return Number(start: start, integer: nil, value: value)
  }

  // MARK: Errors

  /// An error about the byte at the reader's place.
  package func fault(_ expected: String) -> JSONError {
    JSONError(offset: offset, in: text, expected: expected)
  }

  // MARK: Scanning

  private enum Byte {
    static let quote = UInt8(ascii: "\"")
    static let backslash = UInt8(ascii: "\\")
    static let openBrace = UInt8(ascii: "{")
    static let closeBrace = UInt8(ascii: "}")
    static let openBracket = UInt8(ascii: "[")
    static let closeBracket = UInt8(ascii: "]")
    static let comma = UInt8(ascii: ",")
    static let colon = UInt8(ascii: ":")
    static let minus = UInt8(ascii: "-")
    static let zero = UInt8(ascii: "0")
    static let nine = UInt8(ascii: "9")
  }

  /// The byte at the reader's place; 0 (never part of the grammar) at the end.
  private var currentByte: UInt8 { offset < text.count ? text[offset] : 0 }

  private mutating func skipWhitespace() {
    while offset < text.count {
      let byte = text[offset]
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
      offset += 1
    }
  }

  private mutating func begin(_ bracket: UInt8, _ name: String) throws(JSONError) {
    skipWhitespace()
    guard currentByte == bracket else { throw fault(name) }
    guard depth < JSONReader.depthLimit else {
      throw fault("at most \(JSONReader.depthLimit) levels of nesting")
    }
    offset += 1
    depth += 1
    isFirst = true
  }

  /// Steps over the comma before the next element, or over the closing bracket.
  private mutating func advance(
    to bracket: UInt8, name: StaticString, element: StaticString
  ) throws(JSONError) -> Bool {
    skipWhitespace()
    if currentByte == bracket {
      guard depth > 0 else { throw fault("the end of the text") }
      offset += 1
      depth -= 1
      isFirst = false  // the container just closed is an element of the one around it
      return false
    }
    if isFirst {
      isFirst = false
      guard offset < text.count else { throw fault("\(element) or \(name)") }
      return true
    }
    guard currentByte == Byte.comma else { throw fault("',' or \(name)") }
    offset += 1
    skipWhitespace()
    // A comma promises one more element: `[1,]` is not JSON.
    guard offset < text.count, text[offset] != bracket else { throw fault("\(element)") }
    return true
  }

  private mutating func scanWord(_ word: StaticString) throws(JSONError) {
    for index in 0..<word.utf8CodeUnitCount {
      guard currentByte == word.utf8Start[index] else { throw fault("\(word)") }
      offset += 1
    }
  }

  /// Steps over a number's grammar; true if it has neither fraction nor exponent.
  private mutating func scanNumber() throws(JSONError) -> Bool {
    let start = offset
    if currentByte == Byte.minus { offset += 1 }
    if currentByte == Byte.zero {
      offset += 1  // no digit may follow a leading zero
      if isDigit(currentByte) { throw fault("no digit after a leading zero") }
    } else {
      try scanDigits()
    }
    var isInteger = true
    if currentByte == UInt8(ascii: ".") {
      isInteger = false
      offset += 1
      try scanDigits()
    }
    if currentByte | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      offset += 1
      if currentByte == Byte.minus || currentByte == UInt8(ascii: "+") { offset += 1 }
      try scanDigits()
    }
    guard offset - start <= JSONReader.numberLengthLimit else {
      throw JSONError(
        offset: start, in: text, expected: "a number of at most \(JSONReader.numberLengthLimit) bytes",
        found: "\(offset - start) bytes")
    }
    return isInteger
  }

  private mutating func scanDigits() throws(JSONError) {
    guard isDigit(currentByte) else { throw fault("a digit") }
    while isDigit(currentByte) { offset += 1 }
  }

  private func isDigit(_ byte: UInt8) -> Bool { byte &- Byte.zero < 10 }

  /// The value of scanned digits with an optional minus, or nil if it does not fit.
  private func integer(from start: Int, to end: Int) -> Int? {
    let isNegative = text[start] == Byte.minus
    var value = 0  // built downwards, because the smallest integer has no positive twin
    for index in (isNegative ? start + 1 : start)..<end {
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, borrow) = tens.subtractingReportingOverflow(Int(text[index] &- Byte.zero))
      guard !overflow, !borrow else { return nil }
      value = sum
    }
    // -0 has to stay a double, or its sign is lost.
    if isNegative { return value == 0 ? nil : value }
    return value == Int.min ? nil : -value
  }

  /// Steps over a string, from its opening quote to after its closing one, and checks what is between.
  private mutating func scanString() throws(JSONError) -> StringRange {
    let start = offset + 1
    var place = start
    var hasEscapes = false
    while true {
      place = endOfPlainBytes(from: place)
      guard place < text.count else {
        offset = place
        throw fault("the closing quote of the string at byte \(start - 1)")
      }
      let byte = text[place]
      if byte == Byte.quote {
        offset = place + 1
        return StringRange(start: start, end: place, hasEscapes: hasEscapes)
      }
      if byte == Byte.backslash {
        hasEscapes = true
        offset = place
        place += try escape(at: place).length
      } else if byte < 0x20 {
        offset = place
        throw fault("an escape in place of a control character")
      } else {
        let length = UTF8Scan.sequenceLength(in: text, at: place)
        guard length > 0 else {
          offset = place
          throw fault("valid UTF-8")
        }
        place += length
      }
    }
  }

  /// The first byte from `place` on that is a quote, a backslash, a control or not ASCII.
  ///
  /// Looks at eight bytes at a time: each test leaves the top bit set in the bytes that meet it (a borrow can only
  /// set it wrongly above a byte that truly does, and the lowest one is taken).
  private func endOfPlainBytes(from place: Int) -> Int {
    guard let base = text.baseAddress else { return place }
    let ones: UInt64 = 0x0101_0101_0101_0101
    let tops: UInt64 = 0x8080_8080_8080_8080
    var place = place
    while place + 8 <= text.count {
      let word = UInt64(
        littleEndian: UnsafeRawPointer(base + place).loadUnaligned(as: UInt64.self))
      let quotes = word ^ (ones &* 0x22)
      let backslashes = word ^ (ones &* 0x5C)
      let isQuote = (quotes &- ones) & ~quotes
      let isBackslash = (backslashes &- ones) & ~backslashes
      let isControl = (word &- (ones &* 0x20)) & ~word
      let hits = (isQuote | isBackslash | isControl | word) & tops
      if hits != 0 { return place + hits.trailingZeroBitCount / 8 }
      place += 8
    }
    while place < text.count {
      let byte = text[place]
      if byte == Byte.quote || byte == Byte.backslash || byte < 0x20 || byte >= 0x80 { break }
      place += 1
    }
    return place
  }
}
