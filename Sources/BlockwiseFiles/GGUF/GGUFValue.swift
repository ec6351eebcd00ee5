/// A metadata value of a GGUF file.
///
/// Strings and arrays stay where the file is mapped until they are asked for, so that a vocabulary costs nothing
/// before somebody reads it.
public enum GGUFValue: Sendable {
  /// Any unsigned integer type.
  case unsigned(UInt64)
  /// Any signed integer type.
  case signed(Int64)
  /// A 32- or 64-bit float.
  case float(Double)
  /// A boolean.
  case bool(Bool)
  /// A string.
  case string(GGUFString)
  /// An array.
  case array(GGUFArray)

  /// The whole number, or nil if this is none or does not fit.
  public var integerValue: Int? {
    switch self {
    case .unsigned(let number): Int(exactly: number)
    case .signed(let number): Int(exactly: number)
    default: nil
    }
  }

  /// The number, whole or not, or nil if this is none.
  public var numberValue: Double? {
    switch self {
    case .unsigned(let number): Double(number)
    case .signed(let number): Double(number)
    case .float(let number): number
    default: nil
    }
  }

  /// The boolean, or nil if this is none.
  public var boolValue: Bool? {
    if case .bool(let bool) = self { bool } else { nil }
  }

  /// The string, or nil if this is none or is not UTF-8.
  public var stringValue: String? {
    if case .string(let string) = self { string.text } else { nil }
  }

  /// The array, or nil if this is none.
  public var arrayValue: GGUFArray? {
    if case .array(let array) = self { array } else { nil }
  }

  /// A short description for messages: `42`, `the string "llama"`, `an array of 32000 strings`.
  public var summary: String {
    switch self {
    case .unsigned(let number): "\(number)"
    case .signed(let number): "\(number)"
    case .float(let number): "\(number)"
    case .bool(let bool): "\(bool)"
    case .string(let string):
      if let text = string.text {
        "the string \"" + (text.count > 40 ? text.prefix(40) + "…" : text[...]) + "\""
      } else {
        "a string of \(string.bytes.count) bytes that is not UTF-8"
      }
    case .array(let array): "an array of \(array.count) \(array.elementKind.rawValue)"
    }
  }
}

/// A string of a GGUF file's metadata, where it is mapped.
public struct GGUFString: Sendable {
  let mapping: MappedFile
  let range: Range<Int>

  /// The bytes as stored, valid while this value or its file is alive.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: mapping.bytes[range]) }

  /// The string, or nil if the bytes are not UTF-8.
  public var text: String? { String(validating: bytes.bindMemory(to: UInt8.self), as: UTF8.self) }
}

/// An array of a GGUF file's metadata.
public struct GGUFArray: Sendable {
  /// What the elements are.
  public enum ElementKind: String, Sendable, Hashable {
    /// Integers of any size and sign.
    case integers
    /// Floats of 32 or 64 bits.
    case floats
    /// Booleans.
    case bools
    /// Strings.
    case strings
    /// Arrays.
    case arrays
  }

  /// Where the elements are: numbers side by side, strings by their ranges.
  enum Storage: Sendable {
    case numbers(GGUFNumberType, Range<Int>)
    case strings([Range<Int>])
    case arrays([GGUFArray])
  }

  let mapping: MappedFile
  let storage: Storage

  /// How many elements there are.
  public var count: Int {
    switch storage {
    case .numbers(let type, let range): range.count / type.byteCount
    case .strings(let ranges): ranges.count
    case .arrays(let arrays): arrays.count
    }
  }

  /// What the elements are.
  public var elementKind: ElementKind {
    switch storage {
    case .numbers(let type, _): type == .bool ? .bools : type.isFloat ? .floats : .integers
    case .strings: .strings
    case .arrays: .arrays
    }
  }

  /// The strings, or nil if the elements are none.
  public var strings: GGUFStrings? {
    if case .strings(let ranges) = storage { GGUFStrings(mapping: mapping, ranges: ranges) } else { nil }
  }

  /// The integers, or nil if the elements are none or one does not fit.
  public var integers: [Int]? {
    guard elementKind == .integers else { return nil }
    let values = map(\.integerValue)
    return values.contains(nil) ? nil : values.compactMap { $0 }
  }

  /// The numbers, whole or not, as doubles, or nil if the elements are none.
  public var numbers: [Double]? {
    guard elementKind == .integers || elementKind == .floats else { return nil }
    return map { $0.numberValue ?? .nan }  // every value of these kinds is a number
  }

  /// The booleans, or nil if the elements are none.
  public var bools: [Bool]? {
    guard elementKind == .bools else { return nil }
    return map { $0.boolValue ?? false }  // every value of this kind is a boolean
  }

  /// The arrays, or nil if the elements are none.
  public var arrays: [GGUFArray]? {
    if case .arrays(let arrays) = storage { arrays } else { nil }
  }

  private func map<T>(_ transform: (GGUFValue) -> T) -> [T] {
    guard case .numbers(let type, let range) = storage else { return [] }
    return stride(from: range.lowerBound, to: range.upperBound, by: type.byteCount).map {
      transform(type.value(in: mapping.bytes, at: $0))
    }
  }
}

/// The strings of an array, each as its raw bytes.
public struct GGUFStrings: Sendable, RandomAccessCollection {
  let mapping: MappedFile
  let ranges: [Range<Int>]

  /// Always 0.
  public var startIndex: Int { 0 }
  /// How many strings there are.
  public var endIndex: Int { ranges.count }
  /// The bytes of a string, valid while this collection or its file is alive.
  public subscript(index: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: mapping.bytes[ranges[index]])
  }
}
