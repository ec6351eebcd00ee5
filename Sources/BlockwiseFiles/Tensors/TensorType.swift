public import BlockwiseKernels

/// How a file stores the elements of a tensor: the types of GGUF and of safetensors.
///
/// Elements lie in blocks along a row, each block in a fixed number of bytes; plain types have blocks of one.
public struct TensorType: Hashable, Sendable, CustomStringConvertible {
  /// The usual name, e.g. `BF16`, `Q4_K`.
  public let name: String
  /// Elements that share one block.
  public let blockElementCount: Int
  /// Bytes of one block.
  public let blockByteCount: Int
  /// The type's number in GGUF files, or nil if only safetensors has it.
  public let ggmlID: UInt32?

  /// The format the kernels compute with, or nil if they cannot read this type directly.
  public var weightFormat: WeightFormat? { ggmlID.flatMap(WeightFormat.init(rawValue:)) }

  /// The block type that becomes another format in memory, or nil if this is none.
  public var storedBlockFormat: StoredBlockFormat? { ggmlID.flatMap(StoredBlockFormat.init(rawValue:)) }

  /// The format that weights of this type have in memory, or nil if the engine cannot compute with them.
  public var residentFormat: WeightFormat? { weightFormat ?? storedBlockFormat?.residentFormat }

  /// Whether ``decode(_:elementCount:into:)`` knows the type: floats and block types, not integers.
  public var isDecodable: Bool { residentFormat != nil }

  /// Names of all types whose elements the engine computes with, directly or after decoding.
  public static var decodableNames: [String] {
    WeightFormat.ofFiles.map(\.name) + StoredBlockFormat.allCases.map(\.name)
  }

  /// The f32 values of elements as stored in a file.
  ///
  /// - Parameters:
  ///   - source: `byteCount(elementCount:)` bytes.
  ///   - elementCount: a whole number of blocks.
  ///   - output: room for `elementCount` floats.
  /// - Returns: false, with nothing written, if the type is none that ``isDecodable``.
  package func decode(
    _ source: UnsafeRawPointer, elementCount: Int, into output: UnsafeMutablePointer<Float>
  ) -> Bool {
    if let weightFormat {
      weightFormat.decode(source, elementCount: elementCount, into: output)
    } else if let storedBlockFormat {
      storedBlockFormat.decode(source, elementCount: elementCount, into: output)
    } else {
      return false
    }
    return true
  }

  /// How numbers are rounded to this type, or nil if the engine does not write it.
  package var encoding: RowEncoding? { ggmlID.flatMap(RowEncoding.init(rawValue:)) }

  /// The name.
  public var description: String { name }

  private init(_ name: String, _ elements: Int, _ bytes: Int, id: UInt32? = nil) {
    self.name = name
    blockElementCount = elements
    blockByteCount = bytes
    ggmlID = id
  }

  /// IEEE single precision.
  public static let f32 = TensorType("F32", 1, 4, id: 0)
  /// IEEE half precision.
  public static let f16 = TensorType("F16", 1, 2, id: 1)
  /// The upper half of an IEEE single.
  public static let bf16 = TensorType("BF16", 1, 2, id: 30)
  /// Unsigned bytes.
  public static let u8 = TensorType("U8", 1, 1)
  /// Signed 64-bit integers.
  public static let i64 = TensorType("I64", 1, 8, id: 27)

  /// The type with a number of GGUF, or nil if the number is unknown or retired.
  public static func ggml(_ id: UInt32) -> TensorType? { ggmlTypes[id] }

  /// The type with a `dtype` of safetensors, or nil if it is unknown.
  public static func safetensors(_ name: String) -> TensorType? { safetensorsTypes[name] }

  /// Names of all types that GGUF files may have.
  public static var ggmlNames: [String] { ggmlList.map(\.name) }

  /// Names of all types that safetensors files may have.
  public static var safetensorsNames: [String] { safetensorsList.map(\.name) }

  /// The type's name, also if it is retired or unknown, for error messages.
  static func ggmlDescription(_ id: UInt32) -> String {
    if let type = ggml(id) { return type.name }
    if let name = retired[id] { return "\(name) (number \(id), a retired layout; convert the file anew)" }
    return "number \(id)"
  }

  /// Bytes of `elementCount` elements, or nil when they are no whole number of blocks or too many to count.
  public func byteCount(elementCount: Int) -> Int? {
    guard elementCount >= 0, elementCount % blockElementCount == 0 else { return nil }
    let (bytes, overflow) = (elementCount / blockElementCount).multipliedReportingOverflow(by: blockByteCount)
    return overflow ? nil : bytes
  }

  private static let ggmlList: [TensorType] = [
    f32, f16,
    TensorType("Q4_0", 32, 18, id: 2), TensorType("Q4_1", 32, 20, id: 3),
    TensorType("Q5_0", 32, 22, id: 6), TensorType("Q5_1", 32, 24, id: 7),
    TensorType("Q8_0", 32, 34, id: 8), TensorType("Q8_1", 32, 40, id: 9),
    TensorType("Q2_K", 256, 84, id: 10), TensorType("Q3_K", 256, 110, id: 11),
    TensorType("Q4_K", 256, 144, id: 12), TensorType("Q5_K", 256, 176, id: 13),
    TensorType("Q6_K", 256, 210, id: 14), TensorType("Q8_K", 256, 292, id: 15),
    TensorType("IQ2_XXS", 256, 66, id: 16), TensorType("IQ2_XS", 256, 74, id: 17),
    TensorType("IQ3_XXS", 256, 98, id: 18), TensorType("IQ1_S", 256, 50, id: 19),
    TensorType("IQ4_NL", 32, 18, id: 20), TensorType("IQ3_S", 256, 110, id: 21),
    TensorType("IQ2_S", 256, 82, id: 22), TensorType("IQ4_XS", 256, 136, id: 23),
    i8, i16, i32, i64, f64,
    TensorType("IQ1_M", 256, 56, id: 29), bf16,
    TensorType("TQ1_0", 256, 54, id: 34), TensorType("TQ2_0", 256, 66, id: 35),
    TensorType("MXFP4", 32, 17, id: 39), TensorType("NVFP4", 64, 36, id: 40),
    TensorType("Q1_0", 128, 18, id: 41), TensorType("Q2_0", 64, 18, id: 42),
  ]

  private static let retired: [UInt32: String] = [
    4: "Q4_2", 5: "Q4_3", 31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8", 36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8",
    38: "IQ4_NL_8_8",
  ]

  private static let i8 = TensorType("I8", 1, 1, id: 24)
  private static let i16 = TensorType("I16", 1, 2, id: 25)
  private static let i32 = TensorType("I32", 1, 4, id: 26)
  private static let f64 = TensorType("F64", 1, 8, id: 28)

  private static let safetensorsList: [TensorType] = [
    f64, f32, f16, bf16, i64, i32, i16, i8, u8,
    TensorType("U64", 1, 8), TensorType("U32", 1, 4), TensorType("U16", 1, 2), TensorType("BOOL", 1, 1),
    TensorType("F8_E4M3", 1, 1), TensorType("F8_E5M2", 1, 1), TensorType("F8_E8M0", 1, 1),
    TensorType("F4", 2, 1), TensorType("F6_E2M3", 4, 3), TensorType("F6_E3M2", 4, 3), TensorType("C64", 1, 8),
  ]

  private static let ggmlTypes = Dictionary(
    uniqueKeysWithValues: ggmlList.compactMap { type in type.ggmlID.map { ($0, type) } })
  private static let safetensorsTypes = Dictionary(
    uniqueKeysWithValues: safetensorsList.map { ($0.name, $0) })
}
