/// A metadata value in the form it has in a GGUF file: the number of its type and its bytes.
///
/// Values of an opened file stay where they are mapped, so that rewriting a file copies them untouched.
package struct GGUFStoredValue: Sendable {
  /// The number of the type.
  package let typeID: UInt32

  private enum Storage: Sendable {
    case owned([UInt8])
    case mapped(MappedFile, Range<Int>)
  }

  private let storage: Storage

  private init(_ typeID: UInt32, _ bytes: [UInt8]) {
    self.typeID = typeID
    storage = .owned(bytes)
  }

  init(typeID: UInt32, mapping: MappedFile, range: Range<Int>) {
    self.typeID = typeID
    storage = .mapped(mapping, range)
  }

  /// Bytes behind the number of the type.
  package var byteCount: Int {
    switch storage {
    case .owned(let bytes): bytes.count
    case .mapped(_, let range): range.count
    }
  }

  /// Calls `body` with the bytes behind the number of the type.
  package func withBytes<T>(
    _ body: (UnsafeRawBufferPointer) throws(ModelFileError) -> T
  ) throws(ModelFileError) -> T {
    switch storage {
    case .owned(let bytes):
      let result = bytes.withUnsafeBytes { buffer in
        Result { () throws(ModelFileError) in try body(buffer) }
      }
      return try result.get()
    case .mapped(let mapping, let range):
      return try body(UnsafeRawBufferPointer(rebasing: mapping.bytes[range]))
    }
  }

  /// A copy of the bytes behind the number of the type.
  package var bytes: [UInt8] {
    switch storage {
    case .owned(let bytes): bytes
    case .mapped(let mapping, let range): Array(mapping.bytes[range])
    }
  }

  // MARK: Numbers

  /// An unsigned byte.
  package static func uint8(_ number: UInt8) -> Self { scalar(.uint8, number) }
  /// A signed byte.
  package static func int8(_ number: Int8) -> Self { scalar(.int8, number) }
  /// An unsigned number of 16 bits.
  package static func uint16(_ number: UInt16) -> Self { scalar(.uint16, number) }
  /// A signed number of 16 bits.
  package static func int16(_ number: Int16) -> Self { scalar(.int16, number) }
  /// An unsigned number of 32 bits.
  package static func uint32(_ number: UInt32) -> Self { scalar(.uint32, number) }
  /// A signed number of 32 bits.
  package static func int32(_ number: Int32) -> Self { scalar(.int32, number) }
  /// An unsigned number of 64 bits.
  package static func uint64(_ number: UInt64) -> Self { scalar(.uint64, number) }
  /// A signed number of 64 bits.
  package static func int64(_ number: Int64) -> Self { scalar(.int64, number) }
  /// A float of 32 bits.
  package static func float32(_ number: Float) -> Self { scalar(.float32, number.bitPattern) }
  /// A float of 64 bits.
  package static func float64(_ number: Double) -> Self { scalar(.float64, number.bitPattern) }
  /// A boolean.
  package static func bool(_ flag: Bool) -> Self { scalar(.bool, UInt8(flag ? 1 : 0)) }

  private static func scalar(_ type: GGUFNumberType, _ number: some FixedWidthInteger) -> Self {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: number)
    return Self(type.rawValue, bytes)
  }

  // MARK: Strings

  /// A string.
  package static func string(_ text: String) -> Self { string(Array(text.utf8)) }

  /// A string by its bytes, which need not be UTF-8.
  package static func string(_ text: [UInt8]) -> Self {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: UInt64(text.count))
    return Self(GGUFNumberType.stringID, bytes + text)
  }

  // MARK: Arrays

  /// An array of strings.
  package static func strings(_ texts: some Collection<[UInt8]>) -> Self {
    var bytes = head(GGUFNumberType.stringID, texts.count)
    for text in texts {
      bytes.append(littleEndian: UInt64(text.count))
      bytes.append(contentsOf: text)
    }
    return Self(GGUFNumberType.arrayID, bytes)
  }

  /// An array of strings.
  package static func strings(_ texts: [String]) -> Self { strings(texts.map { Array($0.utf8) }) }

  /// An array of signed numbers of 32 bits.
  package static func int32s(_ numbers: [Int32]) -> Self {
    var bytes = head(GGUFNumberType.int32.rawValue, numbers.count)
    for number in numbers { bytes.append(littleEndian: number) }
    return Self(GGUFNumberType.arrayID, bytes)
  }

  /// An array of unsigned numbers of 32 bits.
  package static func uint32s(_ numbers: [UInt32]) -> Self {
    var bytes = head(GGUFNumberType.uint32.rawValue, numbers.count)
    for number in numbers { bytes.append(littleEndian: number) }
    return Self(GGUFNumberType.arrayID, bytes)
  }

  /// An array of floats of 32 bits.
  package static func float32s(_ numbers: [Float]) -> Self {
    var bytes = head(GGUFNumberType.float32.rawValue, numbers.count)
    for number in numbers { bytes.append(littleEndian: number.bitPattern) }
    return Self(GGUFNumberType.arrayID, bytes)
  }

  /// An array of booleans.
  package static func bools(_ flags: [Bool]) -> Self {
    Self(GGUFNumberType.arrayID, head(GGUFNumberType.bool.rawValue, flags.count) + flags.map { $0 ? 1 : 0 })
  }

  /// An array of values of one type, which may themselves be arrays.
  ///
  /// - Parameter values: at least one, all of the same type.
  package static func array(_ values: [Self]) -> Self {
    precondition(
      !values.isEmpty && values.allSatisfy { $0.typeID == values[0].typeID }, "one type in an array")
    return Self(
      GGUFNumberType.arrayID, head(values[0].typeID, values.count) + values.flatMap(\.bytes))
  }

  private static func head(_ typeID: UInt32, _ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: typeID)
    bytes.append(littleEndian: UInt64(count))
    return bytes
  }
}

extension [UInt8] {
  /// Appends the bytes of a number, the least first.
  mutating func append(littleEndian number: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
  }
}
