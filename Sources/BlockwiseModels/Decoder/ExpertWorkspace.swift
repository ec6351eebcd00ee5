internal import BlockwiseKernels

/// The memory of a mixture-of-experts layer for a pass.
///
/// Unchecked because only the engine's thread touches it.
final class ExpertWorkspace: @unchecked Sendable {
  /// Router logits, f32 `[rows, experts]`.
  let routerLogits: AlignedBuffer<Float>
  /// Rows of the expert at work, gathered, `[rows, hidden]`.
  let input: ActivationRows
  /// `[rows, 2 · inner]`.
  let gateUp: AlignedBuffer<Float>
  /// `[rows, inner]`.
  let inner: ActivationRows
  /// Outputs of the expert at work, `[rows, hidden]`.
  let output: AlignedBuffer<Float>
  /// Outputs of the used experts of every row in rank order, `[rows, used, hidden]`.
  let ranked: AlignedBuffer<Float>
  /// Used experts and their weights, `[rows, used]`.
  var chosen: [Int]
  var weights: [Float]

  init(mixture: DecoderConfiguration.Mixture, hiddenSize: Int, rowCapacity: Int) throws {
    routerLogits = try AlignedBuffer(count: rowCapacity * mixture.expertCount)
    input = try ActivationRows(capacity: rowCapacity, columnCount: hiddenSize)
    gateUp = try AlignedBuffer(count: rowCapacity * 2 * mixture.feedForwardSize)
    inner = try ActivationRows(capacity: rowCapacity, columnCount: mixture.feedForwardSize)
    output = try AlignedBuffer(count: rowCapacity * hiddenSize)
    ranked = try AlignedBuffer(count: rowCapacity * mixture.usedExpertCount * hiddenSize)
    chosen = Array(repeating: 0, count: rowCapacity * mixture.usedExpertCount)
    weights = Array(repeating: 0, count: rowCapacity * mixture.usedExpertCount)
  }
}
