/// The types of GGUF metadata that have a fixed size.
enum GGUFNumberType: UInt32, Sendable {
  case uint8 = 0
  case int8 = 1
  case uint16 = 2
  case int16 = 3
  case uint32 = 4
  case int32 = 5
  case float32 = 6
  case bool = 7
  case uint64 = 10
  case int64 = 11
  case float64 = 12

  /// The number of the type of strings.
  static let stringID: UInt32 = 8
  /// The number of the type of arrays.
  static let arrayID: UInt32 = 9

  var byteCount: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    }
  }

  var isFloat: Bool { self == .float32 || self == .float64 }

  /// The value at a place that has been checked.
  func value(in bytes: UnsafeRawBufferPointer, at offset: Int) -> GGUFValue {
    func load<T: FixedWidthInteger>(_: T.Type) -> T {
      T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
    }
    return switch self {
    case .uint8: .unsigned(UInt64(load(UInt8.self)))
    case .int8: .signed(Int64(load(Int8.self)))
    case .uint16: .unsigned(UInt64(load(UInt16.self)))
    case .int16: .signed(Int64(load(Int16.self)))
    case .uint32: .unsigned(UInt64(load(UInt32.self)))
    case .int32: .signed(Int64(load(Int32.self)))
    case .float32: .float(Double(Float(bitPattern: load(UInt32.self))))
    case .bool: .bool(load(UInt8.self) != 0)
    case .uint64: .unsigned(load(UInt64.self))
    case .int64: .signed(load(Int64.self))
    case .float64: .float(Double(bitPattern: load(UInt64.self)))
    }
  }
}
