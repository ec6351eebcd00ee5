internal import CBlockwiseKernels

/// A reusable buffer of activation rows: the input of a product, in f32 and, after ``quantize(rowCount:kernels:)``,
/// in int8 with one scale for every 32 values.
///
/// Rows are padded to a multiple of 32 with zeros; write the first ``columnCount`` values of a row only.
package final class ActivationRows: Sendable {
  /// Rows there is room for.
  package let capacity: Int
  /// Values of a row.
  package let columnCount: Int
  /// Elements from one row to the next in both forms: ``columnCount`` rounded up to a multiple of 32.
  package let stride: Int
  /// Groups of 32 values in a row.
  package let groupCount: Int

  private let floats: AlignedBuffer<Float>
  private let bytes: AlignedBuffer<Int8>
  private let groupScales: AlignedBuffer<Float>
  private let groupSums: AlignedBuffer<Int32>

  /// - Throws: ``AllocationError`` when the size overflows or the memory cannot be had.
  package init(capacity: Int, columnCount: Int) throws(AllocationError) {
    precondition(capacity >= 0 && columnCount > 0, "capacity \(capacity), columns \(columnCount)")
    guard columnCount <= Int.max - 31 else { throw AllocationError(byteCount: nil) }
    self.capacity = capacity
    self.columnCount = columnCount
    groupCount = (columnCount + 31) / 32
    stride = groupCount * 32
    let (count, overflow) = capacity.multipliedReportingOverflow(by: stride)
    guard !overflow else { throw AllocationError(byteCount: nil) }
    floats = try AlignedBuffer(count: count)
    bytes = try AlignedBuffer(count: count)
    groupScales = try AlignedBuffer(count: capacity * groupCount)
    groupSums = try AlignedBuffer(count: capacity * groupCount * 2)
  }

  /// The f32 values, `[capacity, stride]`.
  package var values: UnsafeMutablePointer<Float> { floats.pointer }
  /// The f32 values of one row.
  package func row(_ index: Int) -> UnsafeMutablePointer<Float> { floats.pointer + index * stride }
  /// The int8 values, `[capacity, stride]`.
  package var quantized: UnsafeMutablePointer<Int8> { bytes.pointer }
  /// Scale of every group of 32, `[capacity, groupCount]`.
  package var scales: UnsafeMutablePointer<Float> { groupScales.pointer }
  /// Sums of the int8 values of both halves of every group, `[capacity, groupCount, 2]`.
  package var sums: UnsafeMutablePointer<Int32> { groupSums.pointer }

  /// Makes the int8 form of rows `0..<rowCount` from their f32 form, on the calling thread.
  ///
  /// Per group of 32: `scale = max|x| / 127`, `q = round(x / scale)` to nearest even.
  package func quantize(rowCount: Int, kernels: Kernels) {
    quantize(rows: 0..<rowCount, kernels: kernels)
  }

  /// Makes the int8 form of some rows, on the calling thread; disjoint ranges may run side by side.
  package func quantize(rows: Range<Int>, kernels: Kernels) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= capacity, "rows \(rows) of \(capacity)")
    let first = rows.lowerBound
    kernels.table.pointee.quantize_rows(
      values + first * stride, stride, rows.count, groupCount, quantized + first * stride, stride,
      scales + first * groupCount, sums + 2 * first * groupCount, groupCount)
  }
}
