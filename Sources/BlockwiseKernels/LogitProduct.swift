internal import CBlockwiseKernels

/// Memory of ``Kernels/logits(_:input:rows:softCap:mode:pool:memory:into:)``, reused from pass to pass.
///
/// Unchecked because one product at a time uses it: its threads write to parts of their own.
package final class LogitMemory: @unchecked Sendable {
  /// Rows there is room for.
  package let rowCapacity: Int
  let workerCount: Int
  let tileCount: Int
  /// Logits of one tile of the vocabulary, f32 `[workers, rows, tile]`.
  let values: AlignedBuffer<Float>
  /// `[rows, tiles]`.
  let reduced: AlignedBuffer<bw_logit_tile>

  /// - Throws: ``AllocationError`` when the size overflows or the memory cannot be had.
  package init(rowCapacity: Int, vocabularyCount: Int, workerCount: Int) throws(AllocationError) {
    precondition(
      rowCapacity > 0 && vocabularyCount > 0 && workerCount > 0,
      "\(rowCapacity) rows of \(vocabularyCount) logits for \(workerCount) threads")
    self.rowCapacity = rowCapacity
    self.workerCount = workerCount
    tileCount = (vocabularyCount - 1) / Self.tileLength + 1
    let (values, overflow) = rowCapacity.multipliedReportingOverflow(by: Self.tileLength * workerCount)
    let (tiles, tileOverflow) = rowCapacity.multipliedReportingOverflow(by: tileCount)
    guard !overflow, !tileOverflow else { throw AllocationError(byteCount: nil) }
    self.values = try AlignedBuffer(count: values)
    reduced = try AlignedBuffer(count: tiles)
  }

  /// Vocabulary entries that are computed and reduced together.
  package static let tileLength = Int(BW_LOGIT_TILE)
}

/// What becomes of one row of logits.
package struct LogitRow {
  /// Where its logits are kept, f32 `[vocabulary]`; nil when only their statistics are wanted.
  package var target: UnsafeMutablePointer<Float>?
  /// The entries that are wanted, a bit for each; nil for all. The others become −∞.
  package var allowed: UnsafePointer<UInt64>?

  package init(target: UnsafeMutablePointer<Float>?, allowed: UnsafePointer<UInt64>?) {
    self.target = target
    self.allowed = allowed
  }
}

extension Kernels {
  /// The logits of some rows and their statistics, reduced tile by tile of the vocabulary while the logits are in the
  /// cache: no row is ever written to memory that is not to be kept.
  ///
  /// Tiles of 16 entries of which no row wants one are not computed. What is computed has the bits of the whole product.
  ///
  /// - Parameters:
  ///   - matrix: `[vocabulary, hidden]`.
  ///   - input: one row for each of `rows`, quantised where the mode needs it.
  ///   - bias: `[vocabulary]`.
  ///   - softCap: `c` of `c · tanh(logit / c)`.
  ///   - memory: made for at least so many rows, this vocabulary and the pool's threads.
  ///   - statistics: room for one entry per row; nil where a row holds a NaN or +∞.
  package func logits(
    _ matrix: PackedMatrix, input: ActivationRows, rows: UnsafeBufferPointer<LogitRow>,
    bias: UnsafePointer<Float>?, softCap: Float?, mode: MatmulMode, pool: WorkerPool, memory: LogitMemory,
    statistics: UnsafeMutableBufferPointer<LogitStatistics?>
  ) {
    guard let firstRow = rows.baseAddress else { return }
    precondition(
      rows.count <= memory.rowCapacity && memory.workerCount >= pool.threadCount
        && memory.tileCount == (matrix.rows - 1) / LogitMemory.tileLength + 1
        && statistics.count >= rows.count,
      "memory for \(memory.rowCapacity) rows of \(memory.tileCount) tiles is not made for \(rows.count) of \(matrix.rows)"
    )
    let product = TileProduct(
      matrix, input: input, rowCount: rows.count, output: memory.values.pointer,
      outputStride: LogitMemory.tileLength, bias: bias, mode: mode, kernels: self)
    let job = LogitJob(
      kernels: self, product: product, rows: firstRow, rowCount: rows.count, vocabularyCount: matrix.rows,
      softCap: softCap, values: memory.values.pointer, reduced: memory.reduced.pointer,
      tileCount: memory.tileCount,
      hasMasks: rows.contains { $0.allowed != nil })
    pool.runInRegions(memory.tileCount, nanoseconds: product.nanoseconds, job: job)
    for row in rows.indices {
      var raw = bw_logit_statistics()
      bw_merge_logits(memory.reduced.pointer + row * memory.tileCount, memory.tileCount, &raw)
      statistics[row] = LogitStatistics(raw)
    }
  }
}

/// One item is one tile of the vocabulary, all rows.
private struct LogitJob: ParallelJob {
  let kernels: Kernels
  let product: TileProduct
  let rows: UnsafePointer<LogitRow>
  let rowCount: Int
  let vocabularyCount: Int
  let softCap: Float?
  let values: UnsafeMutablePointer<Float>
  let reduced: UnsafeMutablePointer<bw_logit_tile>
  let tileCount: Int
  let hasMasks: Bool

  private static let matrixTiles = LogitMemory.tileLength / TileProduct.tileRowCount

  func run(item: Int, worker: Int) {
    let first = item * LogitMemory.tileLength
    let count = min(LogitMemory.tileLength, vocabularyCount - first)
    let values = values + worker * rowCount * LogitMemory.tileLength
    let all = item * Self.matrixTiles..<min(product.tileCount, (item + 1) * Self.matrixTiles)
    if hasMasks {
      computeWanted(all, into: values, worker: worker)
    } else {
      product.compute(all, into: values, stride: LogitMemory.tileLength, worker: worker)
    }
    for row in 0..<rowCount {
      let logits = values + row * LogitMemory.tileLength
      let result = reduced + row * tileCount + item
      // Before anything becomes −∞, which a cap would make a number of.
      if let softCap { kernels.softCap(logits, cap: softCap, into: logits, count: count) }
      if let allowed = rows[row].allowed, !keep(allowed, of: logits, first: first, count: count) {
        bw_empty_logit_tile(count, result)
      } else {
        kernels.table.pointee.reduce_logits(logits, count, result)
      }
      if let target = rows[row].target { (target + first).update(from: logits, count: count) }
    }
  }

  /// The product of the runs of tiles in which some row wants an entry.
  private func computeWanted(_ tiles: Range<Int>, into values: UnsafeMutablePointer<Float>, worker: Int) {
    var start: Int?
    for tile in tiles.lowerBound...tiles.upperBound {
      if tile < tiles.upperBound, isWanted(tile) {
        start = start ?? tile
      } else if let from = start {
        product.compute(
          from..<tile, into: values + (from - tiles.lowerBound) * TileProduct.tileRowCount,
          stride: LogitMemory.tileLength, worker: worker)
        start = nil
      }
    }
  }

  private func isWanted(_ tile: Int) -> Bool {
    let first = tile * TileProduct.tileRowCount
    for row in 0..<rowCount {
      guard let allowed = rows[row].allowed else { return true }
      // 16 entries lie in one word of 64 bits.
      if allowed[first >> 6] >> UInt64(first & 63) & 0xFFFF != 0 { return true }
    }
    return false
  }

  /// Puts −∞ where a row allows nothing; false where it allows nothing at all.
  private func keep(
    _ allowed: UnsafePointer<UInt64>, of logits: UnsafeMutablePointer<Float>, first: Int, count: Int
  ) -> Bool {
    var isAnyLeft: UInt64 = 0
    for start in stride(from: 0, to: count, by: 64) {
      let word = allowed[(first + start) >> 6]
      isAnyLeft |= word
      if word == .max { continue }
      for index in start..<min(start + 64, count) where word >> UInt64(index - start) & 1 == 0 {
        logits[index] = -.infinity
      }
    }
    return isAnyLeft != 0
  }
}
