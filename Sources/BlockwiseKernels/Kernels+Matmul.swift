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
    matmul(
      [matrix], input: input, rowCount: rowCount, output: output, outputStride: outputStride,
      bias: bias, mode: mode, pool: pool)
  }

  /// The products of the same rows with several matrices, whose outputs lie side by side, as one job of the pool.
  ///
  /// - Parameters: as those of ``matmul(_:input:rowCount:output:outputStride:bias:mode:pool:)-(PackedMatrix,_,_,_,_,_,_,_)``; output and
  ///   bias hold the outputs of all matrices.
  package func matmul(
    _ matrices: [PackedMatrix], input: ActivationRows, rowCount: Int,
    output: UnsafeMutablePointer<Float>, outputStride: Int, bias: UnsafePointer<Float>? = nil,
    mode: MatmulMode,
    pool: WorkerPool
  ) {
    guard rowCount > 0, !matrices.isEmpty else { return }
    withUnsafeTemporaryAllocation(of: TileProduct.self, capacity: matrices.count) { products in
      guard let first = products.baseAddress else { return }
      var outputCount = 0
      var (tileCount, nanoseconds) = (0, 0)
      for index in matrices.indices {
        let matrix = matrices[index]
        let product = TileProduct(
          matrix, input: input, rowCount: rowCount, output: output + outputCount, outputStride: outputStride,
          bias: bias.map { $0 + outputCount }, mode: mode, kernels: self)
        (first + index).initialize(to: product)
        outputCount += matrix.rows
        tileCount += product.tileCount
        nanoseconds += product.nanoseconds
      }
      // Kernels take whole fours of tiles at once.
      let itemCount = pool.itemCount(nanoseconds: nanoseconds)
      let job = MatmulJob(
        products: first, productCount: matrices.count,
        tilesPerItem: itemCount == 1 ? tileCount : max(4, tileCount / itemCount / 4 * 4),
        isShared: itemCount > 1)
      pool.runInRegions(job.itemCount, nanoseconds: nanoseconds, job: job)
    }
  }
}

private struct MatmulJob: ParallelJob {
  let products: UnsafePointer<TileProduct>
  let productCount: Int
  let tilesPerItem: Int
  let isShared: Bool

  var itemCount: Int { (0..<productCount).reduce(0) { $0 + itemCount(of: $1) } }

  /// Tiles that are decoded one by one are shared one by one.
  private func tilesPerItem(of product: Int) -> Int {
    isShared && products[product].decodesBlocks ? 1 : tilesPerItem
  }

  private func itemCount(of product: Int) -> Int {
    (products[product].tileCount - 1) / tilesPerItem(of: product) + 1
  }

  func run(item: Int, worker: Int) {
    var (item, product) = (item, 0)
    while item >= itemCount(of: product) {
      item -= itemCount(of: product)
      product += 1
    }
    let tilesPerItem = tilesPerItem(of: product)
    let first = item * tilesPerItem
    products[product].compute(
      first..<min(products[product].tileCount, first + tilesPerItem), worker: worker)
  }
}
