internal import CBlockwiseKernels

/// How a product rounds its input.
package enum MatmulMode: Sendable, Hashable {
  /// f32 activations: the mode parity is judged in.
  case f32
  /// Activations rounded to int8 per group of 32, exact integer dot products. For quantised weights; the float
  /// formats take f32 activations in this mode too.
  case int8

  /// What is really done with weights of a format.
  package func resolved(for format: WeightFormat) -> MatmulMode {
    switch format {
    case .q8_0, .q4_0, .q4_K, .q5_K, .q6_K, .i4, .i4m, .i5m: self
    case .f32, .f16, .bf16: .f32
    }
  }
}

extension Kernels {
  /// `output[n, matrix.rows] = input[n, matrix.columns] · matrixᵀ (+ bias)` on the pool's threads.
  ///
  /// Every output element is computed by one thread in one fixed order of the inner dimension, so it does not depend
  /// on `rowCount`, the other rows, or the number of threads.
  ///
  /// - Parameters:
  ///   - input: rows `firstRow..<firstRow + rowCount` are read. In ``MatmulMode/int8`` mode with a quantised matrix
  ///     they must have been quantised.
  ///   - output: `[rowCount, matrix.rows]`, rows `outputStride` apart.
  ///   - bias: `[matrix.rows]`, added at the end.
  package func matmul(
    _ matrix: PackedMatrix, input: ActivationRows, firstRow: Int = 0, rowCount: Int,
    output: UnsafeMutablePointer<Float>, outputStride: Int, bias: UnsafePointer<Float>? = nil,
    mode: MatmulMode,
    pool: WorkerPool
  ) {
    precondition(
      input.columnCount == matrix.columns,
      "input rows of \(input.columnCount) values for a matrix of \(matrix.columns) columns")
    precondition(
      firstRow >= 0 && rowCount >= 0 && firstRow + rowCount <= input.capacity,
      "\(rowCount) rows from \(firstRow) of \(input.capacity)")
    guard rowCount > 0 else { return }
    let packed: UnsafeRawPointer
    switch matrix.storage {
    case .tiles(let memory): packed = UnsafeRawPointer(memory.base)
    // Stands for no tile: every item brings its own.
    case .blocks(let rows, _): packed = UnsafeRawPointer(rows.memory.base)
    }
    let job = MatmulJob(
      kernel: table.pointee.matmul,
      arguments: bw_matmul(
        packed: packed,
        tile_bytes: matrix.tileByteCount,
        format: matrix.format.kernelFormat,
        use_int8: mode.resolved(for: matrix.format) == .int8 ? 1 : 0,
        rows: matrix.rows,
        groups: input.groupCount,
        row_count: rowCount,
        x: input.values + firstRow * input.stride,
        x_stride: input.stride,
        xq: input.quantized + firstRow * input.stride,
        xq_stride: input.stride,
        x_scales: input.scales + firstRow * input.groupCount,
        x_sums: input.sums + 2 * firstRow * input.groupCount,
        x_group_stride: input.groupCount,
        y: output,
        y_stride: outputStride,
        bias: bias),
      tileCount: matrix.tileCount,
      tilesPerItem: Self.tilesPerItem(tileCount: matrix.tileCount, threadCount: pool.threadCount))
    if case .blocks(let rows, let scratch) = matrix.storage {
      let decoding = DecodingMatmulJob(
        product: job, type: rows.format.kernelType, columns: matrix.columns, rowByteCount: rows.rowByteCount,
        scratch: scratch)
      pool.run(matrix.tileCount, job: decoding)
      return
    }
    let itemCount = (job.tileCount + job.tilesPerItem - 1) / job.tilesPerItem
    pool.run(itemCount, job: job)
  }

  /// Items small enough that threads finish together, yet whole fours of tiles, which the kernels take at once.
  private static func tilesPerItem(tileCount: Int, threadCount: Int) -> Int {
    guard threadCount > 1 else { return tileCount }
    return max(4, tileCount / (threadCount * 8) / 4 * 4)
  }
}

private struct MatmulJob: ParallelJob {
  let kernel: @convention(c) (UnsafePointer<bw_matmul>, Int, Int) -> Void
  let arguments: bw_matmul
  let tileCount: Int
  let tilesPerItem: Int

  func run(item: Int, worker: Int) {
    let first = item * tilesPerItem
    withUnsafePointer(to: arguments) { kernel($0, first, min(tileCount, first + tilesPerItem)) }
  }
}

/// Decodes one tile after the other and multiplies with it; an item is a tile.
private struct DecodingMatmulJob: ParallelJob {
  let product: MatmulJob
  let type: Int32
  let columns: Int
  let rowByteCount: Int
  let scratch: TileScratch

  func run(item tile: Int, worker: Int) {
    var arguments = product.arguments
    let weights = scratch.tile(worker: worker, byteCount: arguments.tile_bytes)
    bw_unpack_tile(type, columns, arguments.packed, rowByteCount, arguments.rows, tile, weights)
    // A product with this tile alone: its outputs, its part of the bias.
    let firstRow = tile * PackedMatrix.tileRowCount
    arguments.packed = UnsafeRawPointer(weights)
    arguments.rows -= firstRow
    arguments.y += firstRow
    arguments.bias = arguments.bias.map { $0 + firstRow }
    withUnsafePointer(to: arguments) { product.kernel($0, 0, 1) }
  }
}
