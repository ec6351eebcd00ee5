internal import CBlockwiseKernels

/// A reusable buffer of activation rows: the input of a product, in f32 and, after ``quantize(rowCount:kernels:)``,
/// in int8 with one scale for every 32 values.
///
/// Rows are padded to a multiple of 32 with zeros; write the first ``columnCount`` values of a row only. The int8 forms of
/// eight neighbouring rows are interleaved group by group, in the order in which products read them.
package final class ActivationRows: Sendable {
  /// Rows there is room for.
  package let capacity: Int
  /// Values of a row.
  package let columnCount: Int
  /// Elements from one row to the next in f32: ``columnCount`` rounded up to a multiple of 32.
  package let stride: Int
  /// Groups of 32 values in a row.
  package let groupCount: Int

  private let floats: AlignedBuffer<Float>
  private let groups: AlignedBuffer<bw_panel_group>

  /// - Throws: ``AllocationError`` when the size overflows or the memory cannot be had.
  package init(capacity: Int, columnCount: Int) throws(AllocationError) {
    precondition(capacity >= 0 && columnCount > 0, "capacity \(capacity), columns \(columnCount)")
    guard columnCount <= Int.max - 31, capacity <= Int.max - 7 else { throw AllocationError(byteCount: nil) }
    self.capacity = capacity
    self.columnCount = columnCount
    groupCount = (columnCount + 31) / 32
    stride = groupCount * 32
    let (count, overflow) = capacity.multipliedReportingOverflow(by: stride)
    let panelCount = (capacity + Self.panelRowCount - 1) / Self.panelRowCount
    let (panels, panelOverflow) = panelCount.multipliedReportingOverflow(by: groupCount)
    guard !overflow, !panelOverflow else { throw AllocationError(byteCount: nil) }
    floats = try AlignedBuffer(count: count)
    groups = try AlignedBuffer(count: panels)
  }

  /// Rows whose int8 forms are interleaved.
  package static let panelRowCount = Int(BW_PANEL_ROWS)

  /// The f32 values, `[capacity, stride]`.
  package var values: UnsafeMutablePointer<Float> { floats.pointer }
  /// The f32 values of one row.
  package func row(_ index: Int) -> UnsafeMutablePointer<Float> { floats.pointer + index * stride }
  /// The int8 form, `[panels of eight rows, groupCount]`.
  var panels: UnsafeMutablePointer<bw_panel_group> { groups.pointer }

  /// The int8 form of one group of a row: `value ≈ scale · code`.
  package func quantized(row: Int, group: Int) -> (codes: [Int8], scale: Float) {
    precondition(
      (0..<capacity).contains(row) && (0..<groupCount).contains(group), "row \(row), group \(group)")
    let lane = row % Self.panelRowCount
    let panel = groups.pointer + row / Self.panelRowCount * groupCount + group
    // A cache line for each row: 32 codes, then their scale.
    let line = UnsafeRawPointer(panel) + lane * MemoryLayout<bw_panel_row>.stride
    return (
      (0..<32).map { line.load(fromByteOffset: $0, as: Int8.self) },
      line.load(fromByteOffset: 32, as: Float.self)
    )
  }

  /// Makes the int8 form of rows `0..<rowCount` from their f32 form, on the calling thread.
  ///
  /// Per group of 32: `scale = max|x| / 127`, `q = round(x / scale)` to nearest even.
  package func quantize(rowCount: Int, kernels: Kernels) {
    quantize(rows: 0..<rowCount, kernels: kernels)
  }

  /// Makes the int8 form of some rows, on the calling thread; disjoint ranges may run side by side.
  package func quantize(rows: Range<Int>, kernels: Kernels) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= capacity, "rows \(rows) of \(capacity)")
    kernels.table.pointee.quantize_rows(
      values, stride, rows.lowerBound, rows.upperBound, 0, groupCount, groupCount, panels)
  }

  /// Makes the int8 form of some columns of one row; other columns may be made on other threads.
  ///
  /// - Precondition: `columns` begin at a multiple of 32 and end at one or at the end of the row.
  package func quantize(row: Int, columns: Range<Int>, kernels: Kernels) {
    precondition(
      (0..<capacity).contains(row) && columns.lowerBound % 32 == 0
        && (columns.upperBound % 32 == 0 || columns.upperBound == columnCount)
        && columns.lowerBound >= 0 && columns.upperBound <= columnCount,
      "columns \(columns) of row \(row) in \(capacity) rows of \(columnCount)")
    let groups = columns.lowerBound / 32..<(columns.upperBound + 31) / 32
    kernels.table.pointee.quantize_rows(
      values, stride, row, row + 1, groups.lowerBound, groups.upperBound, groupCount, panels)
  }
}
