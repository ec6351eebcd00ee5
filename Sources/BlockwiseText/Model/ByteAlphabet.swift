/// GPT-2's mapping of bytes to printable scalars, in which byte-level vocabularies spell their tokens.
enum ByteAlphabet {
  /// Byte → scalar value.
  static let scalars: [UInt32] = {
    var table = [UInt32](repeating: 0, count: 256)
    var next: UInt32 = 256
    for byte in UInt32(0)..<256 {
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: table[Int(byte)] = byte
      default:
        table[Int(byte)] = next
        next += 1
      }
    }
    return table
  }()

  /// Scalar value → byte, or −1; scalars beyond the table map to nothing.
  private static let bytes: [Int16] = {
    var table = [Int16](repeating: -1, count: 256 + 68)
    for (byte, scalar) in scalars.enumerated() { table[Int(scalar)] = Int16(byte) }
    return table
  }()

  /// Spells bytes as the vocabulary does.
  static func spell(_ text: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
    scalars.withUnsafeBufferPointer { scalars in
      for byte in text { UTF8Text.append(scalars[Int(byte)], to: &output) }
    }
  }

  /// The bytes a spelled token stands for. A token with any scalar outside the alphabet stands for its own text,
  /// as in the reference decoder.
  static func appendBytes(of token: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) {
    let start = output.count
    var index = 0
    while index < token.count {
      let (value, length) = UTF8Text.scalar(token, at: index)
      guard value < UInt32(bytes.count), bytes[Int(value)] >= 0 else {
        output.removeSubrange(start...)
        output.append(contentsOf: token)
        return
      }
      output.append(UInt8(truncatingIfNeeded: bytes[Int(value)]))
      index += length
    }
  }
}
