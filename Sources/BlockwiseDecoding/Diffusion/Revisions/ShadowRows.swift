/// WINO ("wide in, narrow out"): decide much, then verify. Every decided slot has a shadow, a mask in its place that sees all but
/// its token; where the shadow gives the token less than a threshold, it becomes a mask again.
public struct ShadowRows: RevisePolicy {
  /// The name in recipes.
  public static let name = "wino"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [.number("threshold", 0...1, 0.9)]
  /// The least probability that a shadow must give.
  public var threshold: Double

  /// The policy.
  public init(_ threshold: Double = 0.9) { self.threshold = threshold }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init(values[0].double) }
  /// The values of the parameters.
  public var values: [PolicyValue] { [.number(threshold)] }
  /// Whether decided slots need shadow rows.
  public var needsShadows: Bool { true }

  /// What to change after a pass.
  public func revise(_ state: RevisionState) -> [Revision] {
    // Published: only where more than one token was decided.
    guard state.committedNow.count > 1 else { return [] }
    return state.shadows.indices
      .filter { state.shadows[$0].map { Double($0) < threshold } ?? false }
      .sorted { (state.shadows[$0] ?? 0, $0) < (state.shadows[$1] ?? 0, $1) }
      .map { .open(slot: $0) }
  }
}
