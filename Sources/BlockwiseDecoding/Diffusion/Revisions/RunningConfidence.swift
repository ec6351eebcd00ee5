/// RCR (as ParallelBench, arXiv 2510.04767, describes it): a pass decides what its commit policy chooses, and then of all decided
/// slots of the block (or of its open part) those keep their tokens that were decided with the most confidence, as many as an even schedule allows.
public struct RunningConfidence: RevisePolicy {
  /// The name in recipes.
  public static let name = "rcr"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [.whole("passes", 1...1 << 16)]
  /// Passes per block.
  public var passCount: Int

  /// The policy.
  public init(_ passCount: Int) { self.passCount = passCount }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init(values[0].int) }
  /// The values of the parameters.
  public var values: [PolicyValue] { [.whole(passCount)] }

  /// What to change after a pass.
  public func revise(_ state: RevisionState) -> [Revision] {
    let count = state.step.scheduledCount
    let kept = min(count, (count * (state.step.pass + 1) + passCount - 1) / passCount)
    let decided = state.part.filter { state.decided[$0] != nil }
    let order = decided.sorted {
      (state.decided[$0]?.probability ?? 0, $1) > (state.decided[$1]?.probability ?? 0, $0)
    }
    return order.dropFirst(kept).map { .open(slot: $0) }
  }
}
