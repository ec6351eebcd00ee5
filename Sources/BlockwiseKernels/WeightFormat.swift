/// The formats of weights that the kernels compute with: how the numbers of a matrix are stored in a file or, for three of
/// them, only in memory.
///
/// Raw values are ggml type numbers, so a GGUF tensor type converts by raw value; those of formats that no file has are
/// beyond all type numbers.
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
  /// Blocks of 256: as ``q4_K`` with codes of five bits.
  case q5_K = 13
  /// Blocks of 256: signed scales for every 16, codes of six bits, half-precision `d`; value `d · scale · (q − 32)`.
  case q6_K = 14
  /// The upper half of an IEEE single.
  case bf16 = 30
  /// In memory only: blocks of 32 nibbles with a single-precision scale for every 16, and one table of 16 signed bytes;
  /// value `scale · table[q]`.
  case i4 = 0x10000
  /// In memory only: blocks of 32 nibbles with a single-precision scale and minimum for every 16; value
  /// `scale · q − minimum`.
  case i4m = 0x10001
  /// In memory only: as ``i4m`` with codes of five bits.
  case i5m = 0x10002

  /// The formats that files have, in the order of their numbers.
  public static let ofFiles = allCases.filter(\.isOfFiles)

  /// Whether files have this format; the others are what block types without a kernel become in memory.
  public var isOfFiles: Bool {
    switch self {
    case .f32, .f16, .q4_0, .q8_0, .q4_K, .q5_K, .q6_K, .bf16: true
    case .i4, .i4m, .i5m: false
    }
  }

  /// Elements that share one block (1 for the plain float formats).
  public var blockElementCount: Int {
    switch self {
    case .f32, .f16, .bf16: 1
    case .q4_0, .q8_0, .i4, .i4m, .i5m: 32
    case .q4_K, .q5_K, .q6_K: 256
    }
  }

  /// Bytes of one block, as stored in a file where files have the format.
  public var blockByteCount: Int {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .q4_0: 18
    case .q8_0: 34
    case .q4_K: 144
    case .q5_K: 176
    case .q6_K: 210
    case .i4: 26
    case .i4m: 32
    case .i5m: 36
    }
  }

  /// Bytes of one row of `elementCount` elements, or nil when the row is no whole number of blocks or overflows.
  public func rowByteCount(elementCount: Int) -> Int? {
    guard elementCount >= 0, elementCount % blockElementCount == 0 else { return nil }
    let (bytes, overflow) = (elementCount / blockElementCount)
      .multipliedReportingOverflow(by: blockByteCount)
    return overflow ? nil : bytes
  }

  /// The usual name, as llama.cpp prints it; for the formats of memory `I4`, `I4M` and `I5M`.
  public var name: String {
    switch self {
    case .f32: "F32"
    case .f16: "F16"
    case .q4_0: "Q4_0"
    case .q8_0: "Q8_0"
    case .q4_K: "Q4_K"
    case .q5_K: "Q5_K"
    case .q6_K: "Q6_K"
    case .bf16: "BF16"
    case .i4: "I4"
    case .i4m: "I4M"
    case .i5m: "I5M"
    }
  }
}
