/// How the numbers of a weight matrix are stored in a file, for the formats the kernels compute with directly.
///
/// Raw values are ggml type numbers, so a GGUF tensor type converts by raw value.
public enum WeightFormat: UInt32, Sendable, Hashable, CaseIterable {
  /// IEEE single precision.
  case f32 = 0
  /// IEEE half precision.
  case f16 = 1
  /// Blocks of 32: a half-precision scale `d` and 16 bytes of nibbles; value `d · (q − 8)`.
  case q4_0 = 2
  /// Blocks of 32: a half-precision scale `d` and 32 signed bytes; value `d · q`.
  case q8_0 = 8
  /// Blocks of 256: half-precision `d` and minimum `e`, six-bit scales and minima for every 32, nibbles; value
  /// `d · scale · q − e · minimum`.
  case q4_K = 12
  /// Blocks of 256: signed scales for every 16, codes of six bits, half-precision `d`; value `d · scale · (q − 32)`.
  case q6_K = 14
  /// The upper half of an IEEE single.
  case bf16 = 30

  /// Elements that share one block (1 for the plain float formats).
  public var blockElementCount: Int {
    switch self {
    case .f32, .f16, .bf16: 1
    case .q4_0, .q8_0: 32
    case .q4_K, .q6_K: 256
    }
  }

  /// Bytes of one block as stored in a file.
  public var blockByteCount: Int {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .q4_0: 18
    case .q8_0: 34
    case .q4_K: 144
    case .q6_K: 210
    }
  }

  /// Bytes of one row of `elementCount` elements, or nil when the row is no whole number of blocks or overflows.
  public func rowByteCount(elementCount: Int) -> Int? {
    guard elementCount >= 0, elementCount % blockElementCount == 0 else { return nil }
    let (bytes, overflow) = (elementCount / blockElementCount)
      .multipliedReportingOverflow(by: blockByteCount)
    return overflow ? nil : bytes
  }

  /// The usual name, as llama.cpp prints it.
  public var name: String {
    switch self {
    case .f32: "F32"
    case .f16: "F16"
    case .q4_0: "Q4_0"
    case .q8_0: "Q8_0"
    case .q4_K: "Q4_K"
    case .q6_K: "Q6_K"
    case .bf16: "BF16"
    }
  }
}
