/// The answer ends as soon as no mask lies before its first end token (Fast-dLLM v2); where decisions can be taken back, not before
/// their block is finished.
public struct EarliestEnd: StopPolicy {
  /// The name in recipes.
  public static let name = "eos"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = []
  /// The values of the parameters.
  public let values: [PolicyValue] = []
  /// The policy.
  public init() {}
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) {}
  /// What to do after a pass.
  public func decide(_ state: StopState) -> StopDecision {
    guard let end = state.firstEnd, !state.isRevisable || state.isBlockClosed else { return .goOn }
    return state.firstOpen.map { end < $0 } ?? true ? .finish : .goOn
  }
}
