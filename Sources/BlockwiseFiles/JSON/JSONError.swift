/// A text that is not JSON: where the grammar of RFC 8259 (or a stated limit) was broken, and what would be right.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
  /// Bytes from the start of the text to the first byte that cannot be right.
  public var offset: Int
  /// Line of that byte, from 1.
  public var line: Int
  /// Character in that line, from 1.
  public var column: Int
  /// What would be right there, e.g. "',' or '}'".
  public var expected: String
  /// What is there, e.g. "']'" or "the end of the text".
  public var found: String

  /// One line: place, what was expected, what was found.
  public var description: String {
    "line \(line), column \(column) (byte \(offset)): expected \(expected), found \(found)"
  }

  /// Describes a fault at `offset` of `text`; counts lines only now, since most texts are right.
  package init(offset: Int, in text: UnsafeBufferPointer<UInt8>, expected: String, found: String? = nil) {
    self.offset = offset
    self.expected = expected
    var line = 1
    var column = 1
    for byte in text[..<min(offset, text.count)] {
      if byte == 0x0A {
        line += 1
        column = 1
      } else if byte & 0xC0 != 0x80 {  // continuation bytes belong to the character before
        column += 1
      }
    }
    self.line = line
    self.column = column
    self.found = found ?? JSONError.describe(offset < text.count ? text[offset] : nil)
  }

  private static func describe(_ byte: UInt8?) -> String {
    guard let byte else { return "the end of the text" }
    if byte > 0x20 && byte < 0x7F { return "'\(Character(Unicode.Scalar(byte)))'" }
    let digits = String(byte, radix: 16, uppercase: true)
    return "byte 0x" + (digits.count == 1 ? "0" : "") + digits
  }
}

/// A JSON text that is well-formed but does not hold what was asked for.
public struct JSONKeyError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The keys that lead to the value, joined by dots, e.g. `rope_scaling.factor`.
  public var keyPath: String
  /// What is there, e.g. `the string "yarn"` or `nothing`.
  public var found: String
  /// What would be right there, e.g. `an integer`.
  public var expected: String

  /// Describes one wrong or missing value.
  public init(keyPath: String, found: String, expected: String) {
    self.keyPath = keyPath
    self.found = found
    self.expected = expected
  }

  /// One line: key, what was expected, what was found.
  public var description: String { "\(keyPath): expected \(expected), found \(found)" }
}
