internal import CBlockwiseKernels

/// The kernels of one instruction set. A value of one pointer: copy it freely.
///
/// Every method works on the calling thread, allocates nothing, and gives a row the same bits whatever else is
/// computed beside it. Pointers are not checked; strides are counted in elements.
package struct Kernels: @unchecked Sendable {
  // Unchecked because of the pointer: it leads to a constant table.
  let table: UnsafePointer<bw_kernels>
  /// The instruction set in use.
  package let variant: KernelVariant

  /// The fastest kernels of this machine.
  package static let best = Kernels(.best)

  /// The kernels of one variant.
  ///
  /// - Precondition: the variant is available on this machine; see ``KernelVariant/isAvailable``.
  package init(_ variant: KernelVariant) {
    guard let table = variant.table else {
      preconditionFailure("kernel variant \(variant.name) cannot run on this machine")
    }
    self.table = table
    self.variant = variant
  }
}

// MARK: - Normalisation

extension Kernels {
  /// `y = x / √(mean(x²) + ε) · weight` for every row; without a weight the factor is 1. May be in place.
  ///
  /// For per-head norms pass one row's heads as rows: `rowCount` heads, `stride` the head dimension.
  ///
  /// - Parameters:
  ///   - x: `[rowCount, columnCount]`, rows `stride` apart.
  ///   - weight: `[columnCount]`.
  ///   - y: `[rowCount, columnCount]`, rows `outputStride` apart.
  package func rmsNorm(
    _ x: UnsafePointer<Float>, stride: Int, weight: UnsafePointer<Float>?, epsilon: Float, rowCount: Int,
    columnCount: Int, into y: UnsafeMutablePointer<Float>, outputStride: Int
  ) {
    table.pointee.rms_norm(x, stride, weight, epsilon, rowCount, columnCount, y, outputStride)
  }

  /// `y = (x − mean) / √(variance + ε) · weight + bias` for every row. May be in place.
  package func layerNorm(
    _ x: UnsafePointer<Float>, stride: Int, weight: UnsafePointer<Float>?, bias: UnsafePointer<Float>?,
    epsilon: Float, rowCount: Int, columnCount: Int, into y: UnsafeMutablePointer<Float>, outputStride: Int
  ) {
    table.pointee.layer_norm(x, stride, weight, bias, epsilon, rowCount, columnCount, y, outputStride)
  }
}

// MARK: - Position

/// Which elements of a head turn together under rotary position embedding.
package enum RotaryLayout: Sendable, Hashable {
  /// `(x[i], x[i + d/2])`: Hugging Face checkpoints.
  case halves
  /// `(x[2i], x[2i + 1])`: the original layout, also GGUF files of the llama architecture.
  case pairs
}

extension Kernels {
  /// Rotates the first `2 · pairCount` elements of every head in place; the rest of the head is left alone.
  ///
  /// - Parameters:
  ///   - x: the heads of one row, `[headCount, headStride]`.
  ///   - cosines: cosine of the angle of every pair at this row's position, `[pairCount]`.
  ///   - sines: the sines.
  package func rotate(
    _ x: UnsafeMutablePointer<Float>, headCount: Int, headStride: Int, pairCount: Int, layout: RotaryLayout,
    cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>
  ) {
    switch layout {
    case .halves: table.pointee.rotate_halves(x, headStride, headCount, pairCount, cosines, sines)
    case .pairs: table.pointee.rotate_pairs(x, headStride, headCount, pairCount, cosines, sines)
    }
  }
}

// MARK: - Element by element

extension Kernels {
  /// `out = gate / (1 + exp(−gate)) · up`. May be in place of either.
  package func siluMultiply(
    gate: UnsafePointer<Float>, up: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int
  ) {
    table.pointee.silu_multiply(gate, up, out, count)
  }

  /// `out = a + b`. May be in place of either.
  package func add(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int
  ) {
    table.pointee.add(a, b, out, count)
  }

  /// `out = x · factor`. May be in place.
  package func scale(
    _ x: UnsafePointer<Float>, by factor: Float, into out: UnsafeMutablePointer<Float>, count: Int
  ) {
    table.pointee.scale(x, factor, out, count)
  }

  /// `out = cap · tanh(x / cap)`. May be in place.
  package func softCap(
    _ x: UnsafePointer<Float>, cap: Float, into out: UnsafeMutablePointer<Float>, count: Int
  ) {
    table.pointee.soft_cap(x, cap, out, count)
  }

  /// `out = exp((x − shift) · factor)`, within 2 units in the last place of the exact exponential. May be in place.
  package func exponentials(
    _ x: UnsafePointer<Float>, shift: Float, factor: Float, into out: UnsafeMutablePointer<Float>, count: Int
  ) {
    table.pointee.exponentials(x, shift, factor, out, count)
  }
}

// MARK: - Cache rows

extension Kernels {
  /// Rounds one key or value of one head to the cache format.
  ///
  /// - Parameters:
  ///   - x: `[headDimension]`.
  ///   - row: ``CacheFormat/rowByteCount(headDimension:)`` bytes.
  package func encodeCacheRow(
    _ x: UnsafePointer<Float>, headDimension: Int, format: CacheFormat, into row: UnsafeMutableRawPointer
  ) {
    table.pointee.encode_row(format.rawFormat, x, headDimension, row)
  }

  /// Widens one cached key or value.
  package func decodeCacheRow(
    _ row: UnsafeRawPointer, headDimension: Int, format: CacheFormat, into x: UnsafeMutablePointer<Float>
  ) {
    table.pointee.decode_row(format.rawFormat, row, headDimension, x)
  }
}
