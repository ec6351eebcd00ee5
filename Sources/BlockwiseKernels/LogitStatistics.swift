internal import CBlockwiseKernels

/// What one pass over a logits row tells about it.
///
/// Reduced over fixed tiles of 1024 ids merged in tile order; among equal logits the lowest id comes first.
package struct LogitStatistics: Sendable, Hashable {
  /// Id of the largest logit.
  package var top: Int
  /// The largest logit.
  package var topLogit: Float
  /// Id of the largest of the other logits; nil when the row has one entry.
  package var second: Int?
  /// The largest of the other logits, −∞ when there is none.
  package var secondLogit: Float
  /// `log Σ exp(logit)`; −∞ when every logit is −∞.
  package var logSumExp: Double
  /// Entropy of the softmax in nats.
  package var entropy: Double
}

extension Kernels {
  /// Statistics of one logits row, or nil when it holds a NaN or +∞ (or nothing). −∞ marks banned entries.
  package func statistics(ofLogits logits: UnsafePointer<Float>, count: Int) -> LogitStatistics? {
    var raw = bw_logit_statistics()
    bw_reduce_logits(table, logits, count, &raw)
    return LogitStatistics(raw)
  }
}

extension LogitStatistics {
  /// Nil for a row that holds a NaN, +∞ or nothing.
  init?(_ raw: bw_logit_statistics) {
    guard raw.invalid == 0, raw.top_index >= 0 else { return nil }
    self.init(
      top: Int(raw.top_index), topLogit: raw.top, second: raw.second_index >= 0 ? Int(raw.second_index) : nil,
      secondLogit: raw.second, logSumExp: raw.log_sum_exp, entropy: raw.entropy)
  }
}
