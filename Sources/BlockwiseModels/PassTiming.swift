/// Where the seconds of one pass went, or of many passes together.
public struct PassTiming: Sendable, Hashable {
  /// Products of the layers with their weights.
  public var weights = 0.0
  /// Scores, softmax and sums over cached keys and values.
  public var attention = 0.0
  /// The final norm, the head's product, and the statistics of logits.
  public var head = 0.0
  /// The whole pass.
  public var total = 0.0

  /// Nothing measured yet.
  public init() {}

  /// Everything else of the pass: embedding, norms, rounding of products' inputs, rotation, writing the
  /// cache, activations, planning.
  public var other: Double { max(0, total - weights - attention - head) }

  /// Adds another pass.
  public static func += (sum: inout PassTiming, pass: PassTiming) {
    sum.weights += pass.weights
    sum.attention += pass.attention
    sum.head += pass.head
    sum.total += pass.total
  }
}

extension Duration {
  /// As a number of seconds: a division by a duration goes through 128-bit integers and takes ten times as long.
  package var inSeconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) + Double(attoseconds) * 1e-18
  }
}
