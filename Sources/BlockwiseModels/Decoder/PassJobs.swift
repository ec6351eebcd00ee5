internal import BlockwiseKernels
internal import Foundation

// The work of a pass between its products, in items that threads share. Jobs are structs of pointers and numbers: while
// they run nothing is allocated, and nothing is counted but what they hold.

/// A norm with everything that applying it needs.
struct RowNorm {
  let kernels: Kernels
  let weight: UnsafePointer<Float>
  /// Makes it a LayerNorm.
  let bias: UnsafePointer<Float>?
  let epsilon: Float

  /// Norms rows; may be in place.
  func apply(
    to x: UnsafePointer<Float>, stride: Int, rowCount: Int, columnCount: Int,
    into y: UnsafeMutablePointer<Float>,
    outputStride: Int
  ) {
    if let bias {
      kernels.layerNorm(
        x, stride: stride, weight: weight, bias: bias, epsilon: epsilon, rowCount: rowCount,
        columnCount: columnCount, into: y, outputStride: outputStride)
    } else {
      kernels.rmsNorm(
        x, stride: stride, weight: weight, epsilon: epsilon, rowCount: rowCount, columnCount: columnCount,
        into: y,
        outputStride: outputStride)
    }
  }
}

/// Adds a projection to the residual stream, norms the sum and rounds it for the next product.
struct ResidualJob: ParallelJob {
  let kernels: Kernels
  let rowCount: Int
  let rowsPerItem: Int
  let size: Int
  /// `[rows, size]`.
  let hidden: UnsafeMutablePointer<Float>
  /// `[rows, size]`; nil adds nothing.
  var projected: UnsafeMutablePointer<Float>?
  /// Of the projection, before it is added.
  var postNorm: RowNorm?
  /// Of the sum; nil where nothing reads it.
  var norm: RowNorm?
  let normed: ActivationRows
  let isRounded: Bool

  func run(item: Int, worker: Int) {
    let rows = item * rowsPerItem..<min((item + 1) * rowsPerItem, rowCount)
    let hidden = hidden + rows.lowerBound * size
    if let projected {
      let values = projected + rows.lowerBound * size
      postNorm?.apply(
        to: values, stride: size, rowCount: rows.count, columnCount: size, into: values, outputStride: size)
      kernels.add(hidden, values, into: hidden, count: rows.count * size)
    }
    guard let norm else { return }
    norm.apply(
      to: hidden, stride: size, rowCount: rows.count, columnCount: size, into: normed.row(rows.lowerBound),
      outputStride: normed.stride)
    if isRounded { normed.quantize(rows: rows, kernels: kernels) }
  }
}

/// Makes the int8 form of one row.
struct RoundingJob: ParallelJob {
  let rows: ActivationRows
  let kernels: Kernels

  func run(item row: Int, worker: Int) { rows.quantize(rows: row..<row + 1, kernels: kernels) }
}

/// Norms and rotates the queries and keys of rows, and writes keys and values to the cache in its format.
struct KeyValueJob: ParallelJob {
  struct Rotation {
    /// `[positions, pairCount]` each.
    let cosines: UnsafePointer<Float>
    let sines: UnsafePointer<Float>
    let pairCount: Int
    let layout: RotaryLayout
  }

  let kernels: Kernels
  let rowCount: Int
  let rowsPerItem: Int
  /// Queries, keys and values side by side, `[rows, rowSize]`.
  let rows: UnsafeMutablePointer<Float>
  let rowSize: Int
  let querySize: Int
  let keyValueSize: Int
  let headCount: Int
  let keyValueHeadCount: Int
  let dimension: Int
  let queryNorm: RowNorm?
  let keyNorm: RowNorm?
  let rotation: Rotation?
  let positions: UnsafePointer<Int32>
  let slots: UnsafePointer<Int>
  let pages: UnsafePointer<UnsafeMutableRawPointer>
  let layout: CacheLayout
  let layer: Int

  func run(item: Int, worker: Int) {
    let first = item * rowsPerItem
    for row in first..<min(first + rowsPerItem, rowCount) { prepare(row) }
  }

  private func prepare(_ row: Int) {
    let query = rows + row * rowSize
    let key = query + querySize
    let value = key + keyValueSize
    turn(query, count: headCount, norm: queryNorm, position: Int(positions[row]))
    turn(key, count: keyValueHeadCount, norm: keyNorm, position: Int(positions[row]))
    let slot = slots[row]
    let pageSize = CacheLayout.pageSlotCount
    let base = pages[slot / pageSize] + slot % pageSize * layout.headRowByteCount
    for head in 0..<keyValueHeadCount {
      kernels.encodeCacheRow(
        key + head * dimension, headDimension: dimension, format: layout.format,
        into: base + layout.keyOffset(layer: layer, head: head))
      kernels.encodeCacheRow(
        value + head * dimension, headDimension: dimension, format: layout.format,
        into: base + layout.valueOffset(layer: layer, head: head))
    }
  }

  private func turn(_ heads: UnsafeMutablePointer<Float>, count: Int, norm: RowNorm?, position: Int) {
    norm?.apply(
      to: heads, stride: dimension, rowCount: count, columnCount: dimension, into: heads,
      outputStride: dimension)
    guard let rotation else { return }
    kernels.rotate(
      heads, headCount: count, headStride: dimension, pairCount: rotation.pairCount, layout: rotation.layout,
      cosines: rotation.cosines + position * rotation.pairCount,
      sines: rotation.sines + position * rotation.pairCount)
  }
}

/// Puts gate and up together and rounds the result for the down projection; an item is a part of a row.
struct GateJob: ParallelJob {
  let kernels: Kernels
  /// `[rows, 2 · inner]`, gate first.
  let gateUp: UnsafeMutablePointer<Float>
  let inner: ActivationRows
  let hasGate: Bool
  let activation: DecoderConfiguration.Activation
  let isRounded: Bool

  /// Columns of a part: whole groups of the int8 form, and enough of them that handing out a part costs little.
  private static let partLength = 1024

  /// Parts of a row.
  var partCount: Int { (inner.columnCount + Self.partLength - 1) / Self.partLength }

  /// About what a row takes one thread; the error function is computed number by number.
  var nanosecondsPerRow: Int { activation == .gelu ? 8 * inner.columnCount : inner.columnCount / 2 }

  func run(item: Int, worker: Int) {
    let (row, part) = (item / partCount, item % partCount)
    let first = part * Self.partLength
    let count = min(Self.partLength, inner.columnCount - first)
    let size = inner.columnCount
    let gate = gateUp + row * 2 * size + first
    let up = gate + size
    let out = inner.row(row) + first
    if !hasGate { up.update(repeating: 1, count: count) }
    switch activation {
    case .silu: kernels.siluMultiply(gate: gate, up: up, into: out, count: count)
    case .geluTanh:
      prepareGelu(gate: gate, up: up, count: count)
      kernels.siluMultiply(gate: gate, up: up, into: out, count: count)
    case .gelu: geluMultiply(gate: gate, up: up, into: out, count: count)
    }
    if isRounded { inner.quantize(row: row, columns: first..<first + count, kernels: kernels) }
  }

  /// Turns gate and up into the pair whose `silu(gate) · up` is `gelu(gate) · up` in the tanh form.
  ///
  /// `gelu(g) = g · σ(z)` with `z = g · d`, `d = 2√(2/π) · (1 + 0.044715 g²)`, and `silu(z) = z · σ(z)`; d is never small.
  private func prepareGelu(gate: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>, count: Int) {
    for index in 0..<count {
      let factor = 1.595_769_1 * (1 + 0.044715 * gate[index] * gate[index])
      gate[index] *= factor
      up[index] /= factor
    }
  }

  /// `out = gate/2 · (1 + erf(gate/√2)) · up`; the complement keeps small results exact for negative gates.
  private func geluMultiply(
    gate: UnsafePointer<Float>, up: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int
  ) {
    for index in 0..<count { out[index] = 0.5 * gate[index] * erfcf(-0.707_106_78 * gate[index]) * up[index] }
  }
}
