/// Reads the fields of a Protocol Buffers message from bytes, without building anything and without trusting any
/// length in it.
struct ProtobufReader {
  /// What a field holds.
  enum Value {
    case integer(UInt64)
    case fixed64(UInt64)
    case bytes(UnsafeBufferPointer<UInt8>)
    case fixed32(UInt32)

    /// The number as a flag.
    var flag: Bool? { if case .integer(let number) = self { number != 0 } else { nil } }

    /// The number as `int32`, of which the lower half counts.
    var int32: Int32? {
      if case .integer(let number) = self { Int32(truncatingIfNeeded: number) } else { nil }
    }

    var float: Float? { if case .fixed32(let bits) = self { Float(bitPattern: bits) } else { nil } }

    var text: UnsafeBufferPointer<UInt8>? { if case .bytes(let bytes) = self { bytes } else { nil } }
  }

  private let bytes: UnsafeBufferPointer<UInt8>
  private var offset = 0
  /// Where the message stands in the file, for error messages.
  private let name: String

  init(_ bytes: UnsafeBufferPointer<UInt8>, name: String) {
    self.bytes = bytes
    self.name = name
  }

  /// The next field, or nil at the end of the message.
  mutating func next() throws(TokenizerError) -> (field: UInt64, value: Value)? {
    guard offset < bytes.count else { return nil }
    let tag = try varint()
    guard tag >> 3 != 0 else { throw fault("field 0", "field numbers from 1") }
    switch tag & 7 {
    case 0: return (tag >> 3, .integer(try varint()))
    case 1: return (tag >> 3, .fixed64(try fixed(8)))
    case 2:
      let length = try varint()
      guard length <= UInt64(bytes.count - offset) else {
        throw fault("a field of \(length) bytes", "at most the \(bytes.count - offset) bytes that are left")
      }
      let end = offset + Int(length)
      defer { offset = end }
      return (tag >> 3, .bytes(UnsafeBufferPointer(rebasing: bytes[offset..<end])))
    case 5: return (tag >> 3, .fixed32(UInt32(truncatingIfNeeded: try fixed(4))))
    default: throw fault("wire type \(tag & 7)", "a number, a fixed number, or bytes")
    }
  }

  private mutating func varint() throws(TokenizerError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard offset < bytes.count else { throw fault("a number that is cut off", "whole numbers") }
      let byte = bytes[offset]
      offset += 1
      if shift < 64 { value |= UInt64(byte & 0x7F) << shift }
      if byte & 0x80 == 0 { return value }
    }
    throw fault("a number of more than 10 bytes", "at most 10 bytes")
  }

  private mutating func fixed(_ count: Int) throws(TokenizerError) -> UInt64 {
    guard bytes.count - offset >= count else { throw fault("a number that is cut off", "\(count) bytes") }
    defer { offset += count }
    return (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
  }

  func fault(_ found: String, _ expected: String) -> TokenizerError {
    .invalidValue(key: name, found: "\(found) before byte \(offset)", expected: expected)
  }
}
