internal import CBlockwiseKernels

/// A weight matrix `[rows, columns]` (outputs × inner) in the layout the product kernels stream through.
///
/// Tiles of 16 rows with the inner dimension in groups of 32, weights in their own format: as many bytes as the file
/// had, up to padding of the ragged ends. Block types without a kernel become tiles of their resident format, or keep
/// their blocks where that would take too much memory.
package final class PackedMatrix: Sendable {
  package let format: WeightFormat
  /// Outputs of the product.
  package let rows: Int
  /// Inner dimension.
  package let columns: Int
  let tileByteCount: Int
  let storage: Storage

  enum Storage {
    /// Tiles as the kernels read them.
    case tiles(AlignedMemory)
    /// Blocks of a file, from which every pass makes its tiles of ``PackedMatrix/format``.
    case blocks(StoredRows, TileScratch)
  }

  /// Row-major rows as stored in a file, each `WeightFormat.rowByteCount` bytes.
  package struct Source {
    package let base: UnsafeRawPointer
    package let rowCount: Int

    package init(base: UnsafeRawPointer, rowCount: Int) {
      self.base = base
      self.rowCount = rowCount
    }
  }

  /// Rows of output that one tile holds.
  package static let tileRowCount = Int(BW_TILE_ROWS)

  /// Packs one or several matrices, stacked by rows.
  ///
  /// - Parameters:
  ///   - format: how the weights lie in memory.
  ///   - stored: the block type of the sources when it is not `format`; `format` is then its resident format.
  ///   - sources: the matrices; their rows follow each other in the packed matrix.
  ///   - pool: whose threads pack.
  ///   - rowOrder: source row (counted through all sources) of a packed row; identity when nil.
  ///   - didPack: called on the calling thread after every few megabytes, with consecutive ranges of packed rows
  ///     whose source bytes are no longer needed.
  package init(
    format: WeightFormat, stored: StoredBlockFormat? = nil, columns: Int, sources: [Source], pool: WorkerPool,
    rowOrder: ((Int) -> Int)? = nil, didPack: ((Range<Int>) -> Void)? = nil
  ) throws(PackingError) {
    var rows = 0
    for source in sources {
      let (sum, overflow) = rows.addingReportingOverflow(source.rowCount)
      guard source.rowCount >= 0, !overflow else { throw .size(rows: source.rowCount, columns: columns) }
      rows = sum
    }
    guard rows > 0, columns > 0, rows <= Int.max - 31, columns <= Int.max - 31 else {
      throw .size(rows: rows, columns: columns)
    }
    precondition(stored == nil || stored?.residentFormat == format, "blocks do not become \(format.name)")
    let storedRow =
      stored.map { $0.rowByteCount(elementCount: columns) } ?? format.rowByteCount(elementCount: columns)
    guard let rowByteCount = storedRow else {
      throw .raggedRow(
        blockElementCount: stored?.blockElementCount ?? format.blockElementCount, columns: columns)
    }
    let tileRowCount = Self.tileRowCount
    let tileCount = (rows + tileRowCount - 1) / tileRowCount
    let groupCount = (columns + 31) / 32
    let (tileByteCount, tileOverflow) =
      groupCount.multipliedReportingOverflow(by: bw_tile_group_bytes(format.kernelFormat))
    let (byteCount, overflow) = tileByteCount.multipliedReportingOverflow(by: tileCount)
    guard !tileOverflow, !overflow else { throw .size(rows: rows, columns: columns) }
    let memory: AlignedMemory
    do {
      memory = try AlignedMemory(byteCount: byteCount)
    } catch {
      throw .outOfMemory(byteCount: byteCount)
    }
    storage = .tiles(memory)
    self.format = format
    self.rows = rows
    self.columns = columns
    self.tileByteCount = tileByteCount

    // Start of every source, so that a row number finds its bytes.
    var starts = [0]
    for source in sources { starts.append(starts[starts.count - 1] + source.rowCount) }
    func address(ofRow row: Int) -> UnsafeRawPointer {
      let sourceRow = rowOrder?(row) ?? row
      precondition(
        sourceRow >= 0 && sourceRow < rows, "row order gives \(sourceRow) for row \(row) of \(rows)")
      var index = 0
      while sourceRow >= starts[index + 1] { index += 1 }
      return sources[index].base + (sourceRow - starts[index]) * rowByteCount
    }

    let chunkTileCount = max(1, Self.chunkByteCount / max(1, tileByteCount))
    // Row of the first bad weight of every tile of a chunk, -1 when it is good.
    var badRows = [Int](repeating: -1, count: min(chunkTileCount, tileCount))
    var addresses = [UnsafeRawPointer?](repeating: nil, count: badRows.count * tileRowCount)
    var firstTile = 0
    while firstTile < tileCount {
      let chunk = firstTile..<min(tileCount, firstTile + chunkTileCount)
      let chunkRows = chunk.lowerBound * tileRowCount..<min(rows, chunk.upperBound * tileRowCount)
      for row in 0..<chunk.count * tileRowCount {
        addresses[row] = chunkRows.lowerBound + row < rows ? address(ofRow: chunkRows.lowerBound + row) : nil
      }
      addresses.withUnsafeBufferPointer { addresses in
        badRows.withUnsafeMutableBufferPointer { badRows in
          guard let addresses = addresses.baseAddress, let badRows = badRows.baseAddress else { return }
          let job = PackingJob(
            format: format.kernelFormat, stored: stored?.kernelType, columns: columns, addresses: addresses,
            badRows: badRows,
            tiles: memory.base + chunk.lowerBound * tileByteCount, tileByteCount: tileByteCount)
          pool.run(chunk.count, job: job)
        }
      }
      if let tile = badRows[0..<chunk.count].firstIndex(where: { $0 >= 0 }) {
        // Every property is set, so deinit gives the memory back.
        throw .nonFinite(row: (chunk.lowerBound + tile) * tileRowCount + badRows[tile])
      }
      didPack?(chunkRows)
      firstTile = chunk.upperBound
    }
  }

  /// Packs one matrix of `rows` rows.
  package convenience init(
    format: WeightFormat, rows: Int, columns: Int, source: UnsafeRawPointer, pool: WorkerPool,
    rowOrder: ((Int) -> Int)? = nil, didPack: ((Range<Int>) -> Void)? = nil
  ) throws(PackingError) {
    try self.init(
      format: format, columns: columns, sources: [Source(base: source, rowCount: rows)], pool: pool,
      rowOrder: rowOrder, didPack: didPack)
  }

  /// Keeps the blocks of a file: as few bytes as the file has, at the price of decoding them in every pass. Products
  /// have the same bits as those with the packed matrix of the same rows.
  ///
  /// - Parameter scratch: has room for tiles of that many columns on every thread that will compute.
  package init(keeping rows: StoredRows, scratch: TileScratch) {
    format = rows.format.residentFormat
    self.rows = rows.rows
    columns = rows.columns
    // No overflow: the scratch has tiles of this size.
    tileByteCount = (columns + 31) / 32 * bw_tile_group_bytes(format.kernelFormat)
    storage = .blocks(rows, scratch)
  }

  deinit {
    if case .tiles(let memory) = storage { memory.deallocate() }
  }

  /// Source bytes between two calls of `didPack`.
  private static let chunkByteCount = 8 << 20

  /// Bytes of memory the packed weights take.
  package var byteCount: Int {
    switch storage {
    case .tiles(let memory): memory.byteCount
    case .blocks(let rows, _): rows.byteCount
    }
  }

  /// The block type that stays as it is in memory, if one does.
  package var keptFormat: StoredBlockFormat? {
    if case .blocks(let rows, _) = storage { rows.format } else { nil }
  }

  /// Tiles of 16 rows.
  package var tileCount: Int { (rows + Self.tileRowCount - 1) / Self.tileRowCount }

  /// The f32 values of one row, exactly those of ``WeightFormat/decode(_:elementCount:into:)``.
  ///
  /// - Parameter output: room for ``columns`` floats.
  package func decodeRow(_ row: Int, into output: UnsafeMutablePointer<Float>) {
    precondition(row >= 0 && row < rows, "row \(row) of \(rows)")
    switch storage {
    case .tiles(let memory):
      bw_decode_packed_row(format.kernelFormat, memory.base, tileByteCount, columns, row, output)
    case .blocks(let rows, _): rows.decodeRow(row, into: output)
    }
  }
}

/// What the threads need to pack the tiles of one chunk.
private struct PackingJob: ParallelJob {
  let format: Int32
  let stored: Int32?
  let columns: Int
  let addresses: UnsafePointer<UnsafeRawPointer?>
  let badRows: UnsafeMutablePointer<Int>
  let tiles: UnsafeMutableRawPointer
  let tileByteCount: Int

  func run(item tile: Int, worker: Int) {
    let rows = addresses + tile * PackedMatrix.tileRowCount
    let target = tiles + tile * tileByteCount
    badRows[tile] =
      if let stored {
        bw_pack_blocks_tile(stored, columns, rows, target)
      } else {
        bw_pack_tile(format, columns, rows, target)
      }
  }
}
