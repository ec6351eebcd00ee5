import BlockwiseKernels
import BlockwiseTestSupport

extension SplitMix {
  init(seed: Int) { self.init(seed: UInt64(bitPattern: Int64(seed))) }

  mutating func float(_ magnitude: Float = 1) -> Float {
    Float.random(in: -magnitude...magnitude, using: &self)
  }

  mutating func floats(_ count: Int, _ magnitude: Float = 1) -> [Float] {
    (0..<count).map { _ in float(magnitude) }
  }

  /// A row-major matrix in blocks, as a file stores them, every bit pattern of the quantised bytes possible.
  mutating func weights(format: WeightFormat, rows: Int, columns: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    let elementCount = rows * columns
    switch format {
    case .f32:
      for _ in 0..<elementCount { withUnsafeBytes(of: float()) { bytes.append(contentsOf: $0) } }
    case .f16, .bf16:
      let cacheFormat: CacheFormat = format == .f16 ? .f16 : .bf16
      for _ in 0..<elementCount { bytes += encoded([float()], as: cacheFormat) }
    case .q8_0, .q4_0:
      for _ in 0..<elementCount / 32 {
        bytes += encoded([float(0.05)], as: .f16)
        for _ in 2..<format.blockByteCount { bytes.append(UInt8.random(in: 0...255, using: &self)) }
      }
    case .i4, .i4m, .i5m:
      let table = UInt8.random(in: 0..<7, using: &self)
      for _ in 0..<elementCount / 32 {
        for scale in floats(format == .i4 ? 2 : 4, 0.01) {
          withUnsafeBytes(of: scale) { bytes.append(contentsOf: $0) }
        }
        for _ in 0..<(format == .i5m ? 20 : 16) { bytes.append(UInt8.random(in: 0...255, using: &self)) }
        if format == .i4 { bytes += [table, 0] }
      }
    case .q4_K, .q5_K, .q6_K:
      for _ in 0..<elementCount / 256 {
        var block = (0..<format.blockByteCount).map { _ in UInt8.random(in: 0...255, using: &self) }
        let scale = encoded([float(0.002)], as: .f16)
        if format != .q6_K {
          block.replaceSubrange(0..<4, with: scale + encoded([float(0.002)], as: .f16))
        } else {
          block.replaceSubrange(208..<210, with: scale)
        }
        bytes += block
      }
    }
    return bytes
  }
}

extension WeightFormat {
  /// The least number of columns from `count` on that is a whole number of blocks.
  func wholeBlocks(_ count: Int) -> Int {
    (count + blockElementCount - 1) / blockElementCount * blockElementCount
  }
}

/// One row rounded to a cache format by the reference kernels.
func encoded(_ x: [Float], as format: CacheFormat, kernels: Kernels = Kernels(.scalar)) -> [UInt8] {
  var row = [UInt8](repeating: 0xAA, count: format.rowByteCount(headDimension: x.count))
  row.withUnsafeMutableBytes { row in
    guard let row = row.baseAddress else { return }
    kernels.encodeCacheRow(x, headDimension: x.count, format: format, into: row)
  }
  return row
}

func decoded(
  _ row: [UInt8], count: Int, as format: CacheFormat, kernels: Kernels = Kernels(.scalar)
) -> [Float] {
  var x = [Float](repeating: 0, count: count)
  row.withUnsafeBytes { row in
    guard let row = row.baseAddress else { return }
    kernels.decodeCacheRow(row, headDimension: count, format: format, into: &x)
  }
  return x
}

func decoded(_ bytes: [UInt8], count: Int, as format: WeightFormat) -> [Float] {
  var x = [Float](repeating: 0, count: count)
  bytes.withUnsafeBytes { bytes in
    guard let bytes = bytes.baseAddress else { return }
    format.decode(bytes, elementCount: count, into: &x)
  }
  return x
}

/// Bit patterns, so that comparisons tell +0 from −0.
func bits(_ x: [Float]) -> [UInt32] { x.map(\.bitPattern) }

/// 2⁻²⁴, the rounding error of one operation relative to its result.
let roundingUnit = Double(Float.ulpOfOne) / 2

/// Distance in units in the last place of `expected` rounded to Float (of the smallest subnormal at least).
func ulps(_ found: Float, from expected: Double) -> Double {
  if Double(found) == expected { return 0 }
  let reference = Float(expected)
  if !reference.isFinite { return found == reference ? 0 : .infinity }
  return abs(Double(found) - expected) / Double(max(reference.ulp, Float.leastNonzeroMagnitude))
}
