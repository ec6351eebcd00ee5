internal import CBlockwiseKernels

/// How keys and values are stored in the cache. They are rounded once, when written; everybody reads that value.
public enum CacheFormat: String, Sendable, Hashable, CaseIterable {
  /// IEEE single precision: nothing is rounded.
  case f32
  /// IEEE half precision, rounded to nearest even.
  case f16
  /// The upper half of an IEEE single, rounded to nearest even.
  case bf16
  /// Groups of 32 signed bytes with a half-precision scale each.
  case q8_0

  /// The usual name, as on the command line.
  public var name: String { rawValue }

  /// Bytes of one cached key or value of one head, a multiple of 2.
  ///
  /// Q8_0 rows are ⌈headDimension / 32⌉ half-precision scales, then the bytes, padded to an even count.
  ///
  /// - Precondition: `headDimension` is positive and at most 65536.
  public func rowByteCount(headDimension: Int) -> Int {
    precondition(headDimension > 0 && headDimension <= 65536, "head dimension \(headDimension)")
    return switch self {
    case .f32: 4 * headDimension
    case .f16, .bf16: 2 * headDimension
    case .q8_0: 2 * ((headDimension + 31) / 32) + (headDimension + 1) / 2 * 2
    }
  }

  /// Key/value rows (slots) of one head that lie side by side in a cache page.
  public static let pageSlotCount = 64

  var rawFormat: Int32 {
    switch self {
    case .f32: Int32(BW_F32)
    case .f16: Int32(BW_F16)
    case .bf16: Int32(BW_BF16)
    case .q8_0: Int32(BW_Q8_0)
    }
  }
}
