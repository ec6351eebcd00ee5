public import BlockwiseFiles
internal import Foundation

/// What a decoder usually needs to know of a row's distribution, reduced from its logits in one pass.
///
/// All numbers are NaN when the logits hold a NaN or +∞.
public struct RowStatistics: Sendable, Hashable {
  /// The most likely token; the lowest id among equals.
  public var top: TokenID
  /// Its logit.
  public var topLogit: Float
  /// The second most likely token; equal to ``top`` when the vocabulary has one entry.
  public var second: TokenID
  /// Its logit.
  public var secondLogit: Float
  /// `log Σ exp(logit)`.
  public var logSumExp: Float
  /// Shannon entropy of the softmax, in nats.
  public var entropy: Float

  package init(
    top: TokenID, topLogit: Float, second: TokenID, secondLogit: Float, logSumExp: Float, entropy: Float
  ) {
    self.top = top
    self.topLogit = topLogit
    self.second = second
    self.secondLogit = secondLogit
    self.logSumExp = logSumExp
    self.entropy = entropy
  }

  /// What a row has whose logits hold a NaN or +∞: every number is NaN.
  package static let undefined = RowStatistics(
    top: 0, topLogit: .nan, second: 0, secondLogit: .nan, logSumExp: .nan, entropy: .nan)

  /// Probability of ``top``.
  public var topProbability: Float { expf(topLogit - logSumExp) }
  /// Probability of ``second``.
  public var secondProbability: Float { expf(secondLogit - logSumExp) }
}
