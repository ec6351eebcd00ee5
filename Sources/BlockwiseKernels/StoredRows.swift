internal import CBlockwiseKernels

/// Rows of a block type as a file stores them, kept in memory to be decoded when they are needed: an embedding, of which
/// a pass needs a few rows and no product, or a matrix whose tiles would take too much memory.
package final class StoredRows: Sendable {
  package let format: StoredBlockFormat
  package let rows: Int
  package let columns: Int
  let rowByteCount: Int
  let memory: AlignedMemory

  /// Copies and checks `rows` rows of `columns` elements.
  ///
  /// - Parameters:
  ///   - pool: whose threads copy.
  ///   - rowOrder: source row of a row; identity when nil.
  ///   - didCopy: called on the calling thread after every few megabytes, with consecutive ranges of rows whose
  ///     source bytes are no longer needed.
  package init(
    format: StoredBlockFormat, rows: Int, columns: Int, source: UnsafeRawPointer, pool: WorkerPool,
    rowOrder: ((Int) -> Int)? = nil, didCopy: ((Range<Int>) -> Void)? = nil
  ) throws(PackingError) {
    guard rows > 0, columns > 0 else { throw .size(rows: rows, columns: columns) }
    guard let rowByteCount = format.rowByteCount(elementCount: columns) else {
      throw .raggedRow(blockElementCount: format.blockElementCount, columns: columns)
    }
    let (byteCount, overflow) = rowByteCount.multipliedReportingOverflow(by: rows)
    guard !overflow else { throw .size(rows: rows, columns: columns) }
    do {
      memory = try AlignedMemory(byteCount: byteCount)
    } catch {
      throw .outOfMemory(byteCount: byteCount)
    }
    self.format = format
    self.rows = rows
    self.columns = columns
    self.rowByteCount = rowByteCount

    let chunkRowCount = max(1, Self.chunkByteCount / rowByteCount)
    var badRows = [Int8](repeating: 0, count: min(chunkRowCount, rows))
    var sources = [UnsafeRawPointer](repeating: source, count: badRows.count)
    var first = 0
    while first < rows {
      let chunk = first..<min(rows, first + chunkRowCount)
      for row in chunk {
        let sourceRow = rowOrder?(row) ?? row
        precondition((0..<rows).contains(sourceRow), "row order gives \(sourceRow) for row \(row) of \(rows)")
        sources[row - chunk.lowerBound] = source + sourceRow * rowByteCount
      }
      badRows.withUnsafeMutableBufferPointer { badRows in
        sources.withUnsafeBufferPointer { sources in
          guard let badRows = badRows.baseAddress, let sources = sources.baseAddress else { return }
          pool.run(
            chunk.count,
            job: CopyJob(
              type: format.kernelType, columns: columns, rowByteCount: rowByteCount, sources: sources,
              target: memory.base + chunk.lowerBound * rowByteCount, badRows: badRows))
        }
      }
      if let bad = badRows[..<chunk.count].firstIndex(where: { $0 != 0 }) {
        // Every property is set, so deinit gives the memory back.
        throw .nonFinite(row: chunk.lowerBound + bad)
      }
      didCopy?(chunk)
      first = chunk.upperBound
    }
  }

  deinit { memory.deallocate() }

  /// Source bytes between two calls of `didCopy`.
  private static let chunkByteCount = 8 << 20

  /// Bytes of memory the rows take.
  package var byteCount: Int { memory.byteCount }

  /// The f32 values of one row, exactly those of ``StoredBlockFormat/decode(_:elementCount:into:)``.
  ///
  /// - Parameter output: room for ``columns`` floats.
  package func decodeRow(_ row: Int, into output: UnsafeMutablePointer<Float>) {
    precondition(row >= 0 && row < rows, "row \(row) of \(rows)")
    format.decode(memory.base + row * rowByteCount, elementCount: columns, into: output)
  }
}

/// What the threads need to copy and check the rows of one chunk.
private struct CopyJob: ParallelJob {
  let type: Int32
  let columns: Int
  let rowByteCount: Int
  let sources: UnsafePointer<UnsafeRawPointer>
  let target: UnsafeMutableRawPointer
  let badRows: UnsafeMutablePointer<Int8>

  func run(item row: Int, worker: Int) {
    let copy = target + row * rowByteCount
    copy.copyMemory(from: sources[row], byteCount: rowByteCount)
    // The copy is what will be used, so it is what is checked.
    badRows[row] = bw_blocks_are_finite(type, copy, columns) == 0 ? 1 : 0
  }
}
