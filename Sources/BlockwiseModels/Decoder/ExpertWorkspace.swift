internal import BlockwiseKernels

/// The memory of a mixture-of-experts layer for a pass.
///
/// Unchecked because only the engine's thread touches it.
final class ExpertWorkspace: @unchecked Sendable {
  /// Router logits and then probabilities, f32 `[rows, experts]`.
  let router: AlignedBuffer<Float>
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
  /// Used experts by descending probability and their weights, `[rows, used]`.
  let chosen: AlignedBuffer<Int32>
  let weights: AlignedBuffer<Float>
  /// Uses of all experts as `row · used + rank`, expert by expert; those of expert e begin at `starts[e]`.
  let members: AlignedBuffer<Int32>
  /// `[experts + 1]`.
  let starts: AlignedBuffer<Int32>

  init(mixture: DecoderConfiguration.Mixture, hiddenSize: Int, rowCapacity: Int) throws {
    let useCount = rowCapacity * mixture.usedExpertCount
    router = try AlignedBuffer(count: rowCapacity * mixture.expertCount)
    input = try ActivationRows(capacity: rowCapacity, columnCount: hiddenSize)
    gateUp = try AlignedBuffer(count: rowCapacity * 2 * mixture.feedForwardSize)
    inner = try ActivationRows(capacity: rowCapacity, columnCount: mixture.feedForwardSize)
    output = try AlignedBuffer(count: rowCapacity * hiddenSize)
    ranked = try AlignedBuffer(count: useCount * hiddenSize)
    chosen = try AlignedBuffer(count: useCount)
    weights = try AlignedBuffer(count: useCount)
    members = try AlignedBuffer(count: useCount)
    starts = try AlignedBuffer(count: mixture.expertCount + 1)
  }
}
