/// Checks UTF-8 as the Unicode standard defines it (table 3-7): no surrogates, no overlong forms.
package enum UTF8Scan {
  /// Bytes of the well-formed sequence at `place`, or 0 if there is none.
  package static func sequenceLength(in bytes: UnsafeBufferPointer<UInt8>, at place: Int) -> Int {
    let first = bytes[place]
    if first < 0x80 { return 1 }
    let length: Int
    var secondRange: ClosedRange<UInt8> = 0x80...0xBF
    switch first {
    case 0xC2...0xDF: length = 2
    case 0xE0:
      length = 3
      secondRange = 0xA0...0xBF
    case 0xED:
      length = 3
      secondRange = 0x80...0x9F
    case 0xE1...0xEF: length = 3
    case 0xF0:
      length = 4
      secondRange = 0x90...0xBF
    case 0xF1...0xF3: length = 4
    case 0xF4:
      length = 4
      secondRange = 0x80...0x8F
    default: return 0
    }
    guard place + length <= bytes.count, secondRange.contains(bytes[place + 1]) else { return 0 }
    for index in place + 2..<max(place + length, place + 2) where bytes[index] & 0xC0 != 0x80 { return 0 }
    return length
  }

  /// The offset of the first byte that starts no well-formed sequence, or nil if all of `bytes` is UTF-8.
  package static func firstInvalidOffset(in bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    var place = 0
    while place < bytes.count {
      let length = sequenceLength(in: bytes, at: place)
      guard length > 0 else { return place }
      place += length
    }
    return nil
  }
}
