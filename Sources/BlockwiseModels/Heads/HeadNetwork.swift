internal import BlockwiseFiles
internal import BlockwiseKernels

/// Small feed-forward networks on hidden states, computed on the threads of the model that they belong to.
///
/// `z = (R x + r  or  x) + silu(W x + b)` for every block, then `U z (+ u)`: Medusa's and Hydra's heads; without blocks a linear
/// map, such as EAGLE-3's mixture of taps.
final class HeadNetwork: Sendable {
  struct Block: Sendable {
    let linear: DecoderWeights.Projection
    /// In place of the identity, where the width changes.
    let residual: DecoderWeights.Projection?
  }

  struct Head: Sendable {
    let blocks: [Block]
    let output: DecoderWeights.Projection

    var matrices: [PackedMatrix] {
      blocks.flatMap { $0.linear.parts + ($0.residual?.parts ?? []) } + output.parts
    }

    /// Elements of an input row.
    var inputSize: Int { (blocks.first?.linear.parts ?? output.parts)[0].columns }
    /// Elements of an output row.
    var outputSize: Int { output.outputCount }
  }

  let heads: [Head]
  private let target: DecoderModel
  private let scratch = HeadScratch()

  init(_ heads: [Head], target: DecoderModel) {
    self.heads = heads
    self.target = target
  }

  /// Bytes of all matrices; blocks that heads share count once.
  var byteCount: Int {
    var seen: Set<ObjectIdentifier> = []
    return heads.flatMap(\.matrices).reduce(0) {
      seen.insert(ObjectIdentifier($1)).inserted ? $0 + $1.byteCount : $0
    }
  }

  /// Outputs of one head, `[rows, outputSize]`, row-major.
  /// - Parameter inputs: `[rows, inputSize]`, row-major.
  /// - Throws: ``CacheError/outOfMemory(byteCount:)``.
  func outputs(of index: Int, _ inputs: [Float]) async throws -> [Float] {
    let head = heads[index]
    precondition(
      !inputs.isEmpty && inputs.count % head.inputSize == 0, "\(inputs.count) numbers of \(head.inputSize)")
    return try await target.engine.run {
      do {
        return try self.evaluate(head, inputs)
      } catch let error as AllocationError {
        throw CacheError.outOfMemory(byteCount: error.byteCount ?? .max)
      }
    }
  }

  /// On the engine's thread.
  private func evaluate(_ head: Head, _ inputs: [Float]) throws -> [Float] {
    let rowCount = inputs.count / head.inputSize
    var input = try scratch.rows(0, capacity: rowCount, columnCount: head.inputSize)
    for row in 0..<rowCount {
      for column in 0..<head.inputSize { input.row(row)[column] = inputs[row * head.inputSize + column] }
    }
    for (number, block) in head.blocks.enumerated() {
      round(input, rowCount)
      let size = block.linear.outputCount
      let next = try scratch.rows(number + 1, capacity: rowCount, columnCount: size)
      var gate = [Float](repeating: 0, count: rowCount * size)
      var base = gate
      product(block.linear, input, rowCount, into: &gate)
      if let residual = block.residual { product(residual, input, rowCount, into: &base) }
      let ones = [Float](repeating: 1, count: size)
      for row in 0..<rowCount {
        gate.withUnsafeMutableBufferPointer { gate in
          base.withUnsafeBufferPointer { base in
            ones.withUnsafeBufferPointer { ones in
              guard let gate = gate.baseAddress, let base = base.baseAddress, let ones = ones.baseAddress
              else { return }
              let values = gate + row * size
              target.kernels.siluMultiply(gate: values, up: ones, into: values, count: size)
              target.kernels.add(
                block.residual == nil ? UnsafePointer(input.row(row)) : base + row * size, values,
                into: next.row(row), count: size)
            }
          }
        }
      }
      input = next
    }
    round(input, rowCount)
    var output = [Float](repeating: 0, count: rowCount * head.outputSize)
    product(head.output, input, rowCount, into: &output)
    return output
  }

  private func round(_ rows: ActivationRows, _ rowCount: Int) {
    if target.mode == .int8 { rows.quantize(rowCount: rowCount, kernels: target.kernels) }
  }

  private func product(
    _ projection: DecoderWeights.Projection, _ input: ActivationRows, _ rowCount: Int,
    into output: inout [Float]
  ) {
    let size = projection.outputCount
    output.withUnsafeMutableBufferPointer { output in
      guard let output = output.baseAddress else { return }
      target.kernels.matmul(
        projection.parts, input: input, rowCount: rowCount, output: output, outputStride: size,
        bias: projection.bias.map { UnsafePointer($0.pointer) }, mode: target.mode, pool: target.pool)
    }
  }
}

/// Input rows by place and width, grown when a call has more rows than any before.
///
/// Unchecked because only the engine's thread touches it.
private final class HeadScratch: @unchecked Sendable {
  private struct Key: Hashable {
    var place: Int
    var columnCount: Int
  }

  private var known: [Key: ActivationRows] = [:]

  func rows(_ place: Int, capacity: Int, columnCount: Int) throws(AllocationError) -> ActivationRows {
    let key = Key(place: place, columnCount: columnCount)
    if let rows = known[key], rows.capacity >= capacity { return rows }
    let rows = try ActivationRows(capacity: capacity, columnCount: columnCount)
    known[key] = rows
    return rows
  }
}
