/// Builds the bytes of GGUF files for tests, also of files that no honest program would write.
public struct GGUFBuilder: Sendable {
  /// A metadata value with its type number.
  public struct Value: Sendable {
    /// The number of the type.
    public var type: UInt32
    /// The value's bytes after the type.
    public var bytes: [UInt8]

    /// A value by type number and bytes.
    public init(type: UInt32, bytes: [UInt8]) {
      self.type = type
      self.bytes = bytes
    }

    /// A number of one of the integer types.
    public static func integer<T: FixedWidthInteger>(_ number: T) -> Value {
      let types: [Int: (UInt32, UInt32)] = [1: (0, 1), 2: (2, 3), 4: (4, 5), 8: (10, 11)]
      let pair = types[MemoryLayout<T>.size] ?? (4, 5)
      return Value(type: T.isSigned ? pair.1 : pair.0, bytes: little(number))
    }

    /// A 32-bit float.
    public static func float(_ number: Float) -> Value { Value(type: 6, bytes: little(number.bitPattern)) }

    /// A 64-bit float.
    public static func double(_ number: Double) -> Value { Value(type: 12, bytes: little(number.bitPattern)) }

    /// A boolean.
    public static func bool(_ bool: Bool) -> Value { Value(type: 7, bytes: [bool ? 1 : 0]) }

    /// A string.
    public static func string(_ string: String) -> Value { Value(type: 8, bytes: text(Array(string.utf8))) }

    /// An array of values of one type.
    public static func array(_ values: [Value], type: UInt32) -> Value {
      Value(type: 9, bytes: little(type) + little(UInt64(values.count)) + values.flatMap(\.bytes))
    }

    /// An array of strings.
    public static func strings(_ strings: [String]) -> Value { array(strings.map(Value.string), type: 8) }
  }

  /// A tensor: dimensions innermost first, as the file lists them, and its offset if it is to lie.
  public struct Tensor: Sendable {
    /// The name.
    public var name: String
    /// The type's number.
    public var type: UInt32
    /// Innermost first.
    public var dimensions: [UInt64]
    /// The bytes.
    public var bytes: [UInt8]
    /// Where the table says the bytes are, in place of the truth.
    public var offset: UInt64?

    /// A tensor.
    public init(_ name: String, type: UInt32, dimensions: [UInt64], bytes: [UInt8], offset: UInt64? = nil) {
      self.name = name
      self.type = type
      self.dimensions = dimensions
      self.bytes = bytes
      self.offset = offset
    }
  }

  /// The magic number.
  public var magic = Array("GGUF".utf8)
  /// The version.
  public var version: UInt32 = 3
  /// The grid that tensors are put on.
  public var alignment = 32
  /// The number of keys the header claims, in place of the truth.
  public var claimedKeyCount: UInt64?
  /// The number of tensors the header claims, in place of the truth.
  public var claimedTensorCount: UInt64?
  /// The metadata.
  public var metadata: [(key: String, value: Value)] = []
  /// The tensors.
  public var tensors: [Tensor] = []

  /// A file without metadata and tensors.
  public init() {}

  /// The bytes of the file.
  public func bytes() -> [UInt8] {
    var bytes = magic + little(version)
    bytes += little(claimedTensorCount ?? UInt64(tensors.count))
    bytes += little(claimedKeyCount ?? UInt64(metadata.count))
    for (key, value) in metadata { bytes += text(Array(key.utf8)) + little(value.type) + value.bytes }
    var data: [UInt8] = []
    for tensor in tensors {
      bytes += text(Array(tensor.name.utf8)) + little(UInt32(tensor.dimensions.count))
      for dimension in tensor.dimensions { bytes += little(dimension) }
      bytes += little(tensor.type) + little(tensor.offset ?? UInt64(data.count))
      data += tensor.bytes
      data += [UInt8](repeating: 0, count: (alignment - data.count % alignment) % alignment)
    }
    bytes += [UInt8](repeating: 0, count: (alignment - bytes.count % alignment) % alignment)
    return bytes + data
  }
}

private func little<T: FixedWidthInteger>(_ number: T) -> [UInt8] {
  withUnsafeBytes(of: number.littleEndian, Array.init)
}

private func text(_ bytes: [UInt8]) -> [UInt8] { little(UInt64(bytes.count)) + bytes }
