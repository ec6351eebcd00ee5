/// Every position whose score exceeds a threshold (Fast-dLLM, arXiv 2505.22618).
///
/// With a number of passes it is SDAR's and LLaDA2's dynamic rule: where fewer than the schedule's quota exceed the threshold, the
/// quota's best are decided instead.
public struct ThresholdCommit: CommitPolicy {
  /// The name in recipes.
  public static let name = "threshold"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [
    .number("threshold", -1000...1000), .whole("passes", 0...1 << 16, 0),
  ]
  /// Scores above it are good enough; above 1 no probability is.
  public var threshold: Double
  /// Passes per block that a quota is spread over; 0 for no quota.
  public var passCount: Int

  /// The policy.
  public init(_ threshold: Double, passCount: Int = 0) {
    self.threshold = threshold
    self.passCount = passCount
  }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init(values[0].double, passCount: values[1].int) }
  /// The values of the parameters.
  public var values: [PolicyValue] {
    passCount == 0 ? [.number(threshold)] : [.number(threshold), .whole(passCount)]
  }

  /// The slots to decide.
  public func select(_ step: BlockStep) -> [Int] {
    let chosen = step.openSlots.filter { Double(step.scores[$0]) > threshold }
    guard passCount > 0 else { return chosen }
    let quota = QuotaCommit.quota(of: step.scheduledCount, passCount: passCount, pass: step.pass)
    return chosen.count >= quota ? chosen : Array(step.ranked.prefix(quota))
  }
}
