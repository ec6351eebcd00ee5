public import BlockwiseModels

/// Where the wall time of decoding went, in seconds: seven parts that add up to it.
public struct TimeSplit: Sendable, Hashable {
  /// Products of the layers with their weights.
  public var weights = 0.0
  /// Attention over the cache.
  public var attention = 0.0
  /// Final norm, head and statistics.
  public var head = 0.0
  /// Everything else of the passes.
  public var otherPass = 0.0
  /// Choosing tokens.
  public var sampling = 0.0
  /// Guessing ahead; 0 where nothing is guessed.
  public var drafting = 0.0
  /// What is left: detokenising, events, hand-over between threads.
  public var host = 0.0

  /// Nothing measured yet.
  public init() {}

  /// Splits a wall time: what neither passes nor sampling nor guessing explain is the host's.
  public init(passes: PassTiming, sampling: Double, drafting: Double = 0, wallSeconds: Double) {
    weights = passes.weights
    attention = passes.attention
    head = passes.head
    otherPass = passes.other
    self.sampling = sampling
    self.drafting = drafting
    host = max(0, wallSeconds - passes.total - sampling - drafting)
  }

  /// All parts together.
  public var total: Double { weights + attention + head + otherPass + sampling + drafting + host }

  /// Adds another stretch of time.
  public static func += (sum: inout TimeSplit, part: TimeSplit) {
    sum.weights += part.weights
    sum.attention += part.attention
    sum.head += part.head
    sum.otherPass += part.otherPass
    sum.sampling += part.sampling
    sum.drafting += part.drafting
    sum.host += part.host
  }

  /// Every part divided by a count: seconds per token or per pass.
  public static func / (split: TimeSplit, count: Int) -> TimeSplit {
    var result = split
    let divisor = Double(max(1, count))
    result.weights /= divisor
    result.attention /= divisor
    result.head /= divisor
    result.otherPass /= divisor
    result.sampling /= divisor
    result.drafting /= divisor
    result.host /= divisor
    return result
  }
}
