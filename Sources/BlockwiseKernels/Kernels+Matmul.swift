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
  ///   - input: its first `rowCount` rows are read. In ``MatmulMode/int8`` mode with a quantised matrix
  ///     they must have been quantised.
  ///   - output: `[rowCount, matrix.rows]`, rows `outputStride` apart.
  ///   - bias: `[matrix.rows]`, added at the end.
  package func matmul(
    _ matrix: PackedMatrix, input: ActivationRows, rowCount: Int,
    output: UnsafeMutablePointer<Float>, outputStride: Int, bias: UnsafePointer<Float>? = nil,
    mode: MatmulMode,
    pool: WorkerPool
  ) {
    guard rowCount > 0 else { return }
    let product = TileProduct(
      matrix, input: input, rowCount: rowCount, output: output, outputStride: outputStride, bias: bias,
      mode: mode, kernels: self)
    let job = MatmulJob(
      product: product,
      tilesPerItem: product.decodesBlocks
        ? 1 : Self.tilesPerItem(tileCount: product.tileCount, threadCount: pool.threadCount))
    pool.runInRegions((product.tileCount + job.tilesPerItem - 1) / job.tilesPerItem, job: job)
  }

  /// Items small enough that threads finish together, yet whole fours of tiles, which the kernels take at once.
  private static func tilesPerItem(tileCount: Int, threadCount: Int) -> Int {
    guard threadCount > 1 else { return tileCount }
    return max(4, tileCount / (threadCount * 8) / 4 * 4)
  }
}

private struct MatmulJob: ParallelJob {
  let product: TileProduct
  let tilesPerItem: Int

  func run(item: Int, worker: Int) {
    let first = item * tilesPerItem
    product.compute(first..<min(product.tileCount, first + tilesPerItem), worker: worker)
  }
}
