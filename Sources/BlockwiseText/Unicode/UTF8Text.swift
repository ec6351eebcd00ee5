/// Reading, checking and repairing UTF-8, the only text form the tokenizer works on.
package enum UTF8Text {
  /// Reads the scalar that starts at `index` of **valid** UTF-8.
  ///
  /// - Returns: the scalar's value and its length in bytes.
  @inline(__always)
  package static func scalar(
    _ text: UnsafeBufferPointer<UInt8>, at index: Int
  ) -> (value: UInt32, length: Int) {
    let lead = UInt32(text[index])
    if lead < 0x80 { return (lead, 1) }
    if lead < 0xE0 { return ((lead & 0x1F) << 6 | UInt32(text[index + 1] & 0x3F), 2) }
    if lead < 0xF0 {
      return (
        (lead & 0x0F) << 12 | UInt32(text[index + 1] & 0x3F) << 6 | UInt32(text[index + 2] & 0x3F), 3
      )
    }
    return (
      (lead & 0x07) << 18 | UInt32(text[index + 1] & 0x3F) << 12 | UInt32(text[index + 2] & 0x3F) << 6
        | UInt32(text[index + 3] & 0x3F), 4
    )
  }

  /// The index where the scalar that ends just before `index` starts, in **valid** UTF-8.
  @inline(__always)
  package static func start(
    ofScalarBefore index: Int, in text: UnsafeBufferPointer<UInt8>
  ) -> Int {
    var start = index - 1
    while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
    return start
  }

  /// Appends the UTF-8 form of a scalar value that is known to be valid.
  @inline(__always)
  package static func append(_ value: UInt32, to bytes: inout [UInt8]) {
    if value < 0x80 {
      bytes.append(UInt8(value))
    } else if value < 0x800 {
      bytes.append(UInt8(0xC0 | value >> 6))
      bytes.append(UInt8(0x80 | value & 0x3F))
    } else if value < 0x10000 {
      bytes.append(UInt8(0xE0 | value >> 12))
      bytes.append(UInt8(0x80 | value >> 6 & 0x3F))
      bytes.append(UInt8(0x80 | value & 0x3F))
    } else {
      bytes.append(UInt8(0xF0 | value >> 18))
      bytes.append(UInt8(0x80 | value >> 12 & 0x3F))
      bytes.append(UInt8(0x80 | value >> 6 & 0x3F))
      bytes.append(UInt8(0x80 | value & 0x3F))
    }
  }

  /// What a decoder finds at one position of bytes that may be broken or cut.
  package enum Element {
    /// A complete scalar of so many bytes.
    case scalar(length: Int)
    /// A maximal part of so many bytes that no scalar can begin with (replaced by one U+FFFD).
    case broken(length: Int)
    /// The bytes up to the end are a proper beginning of a scalar.
    case cut
  }

  /// Classifies the bytes at `index`, with the "maximal subpart" rule of the Unicode standard (table 3-7),
  /// which the reference decoders share.
  package static func element(_ bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> Element {
    let lead = bytes[index]
    if lead < 0x80 { return .scalar(length: 1) }
    let length: Int
    var lower: UInt8 = 0x80
    var upper: UInt8 = 0xBF
    switch lead {
    case 0xC2...0xDF: length = 2
    case 0xE0: (length, lower) = (3, 0xA0)
    case 0xED: (length, upper) = (3, 0x9F)
    case 0xE1...0xEF: length = 3
    case 0xF0: (length, lower) = (4, 0x90)
    case 0xF1...0xF3: length = 4
    case 0xF4: (length, upper) = (4, 0x8F)
    default: return .broken(length: 1)
    }
    for offset in 1..<length {
      guard index + offset < bytes.count else { return .cut }
      let byte = bytes[index + offset]
      guard byte >= lower, byte <= upper else { return .broken(length: offset) }
      (lower, upper) = (0x80, 0xBF)
    }
    return .scalar(length: length)
  }

  /// The offset of the first byte that is not part of valid UTF-8, or nil.
  package static func firstInvalidOffset(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    var index = 0
    while index < bytes.count {
      if bytes[index] < 0x80 {
        index += 1
        continue
      }
      guard case .scalar(let length) = element(bytes, at: index) else { return index }
      index += length
    }
    return nil
  }

  /// U+FFFD.
  package static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]
}

/// Turns a stream of bytes into text piece by piece: complete scalars come out at once, broken parts become
/// U+FFFD, and the beginning of a scalar waits for its rest.
///
/// The concatenation of all outputs does not depend on how the bytes were cut.
package struct UTF8Assembler: Sendable {
  private var pending: [UInt8] = []

  package init() {}

  /// Takes bytes and appends the text that is certain now, as valid UTF-8, to `output`.
  package mutating func append(_ bytes: some Collection<UInt8>, to output: inout [UInt8]) {
    pending.append(contentsOf: bytes)
    let consumed = pending.withUnsafeBufferPointer { Self.repair($0, to: &output) }
    pending.removeFirst(consumed)
  }

  /// Ends the stream: a waiting beginning becomes one U+FFFD.
  package mutating func finish(to output: inout [UInt8]) {
    if !pending.isEmpty { output.append(contentsOf: UTF8Text.replacement) }
    pending.removeAll()
  }

  private static func repair(_ bytes: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) -> Int {
    var index = 0
    var copied = 0
    scan: while index < bytes.count {
      switch UTF8Text.element(bytes, at: index) {
      case .scalar(let length):
        index += length
      case .broken(let length):
        output.append(contentsOf: bytes[copied..<index])
        output.append(contentsOf: UTF8Text.replacement)
        index += length
        copied = index
      case .cut:
        break scan
      }
    }
    output.append(contentsOf: bytes[copied..<index])
    return index
  }
}
