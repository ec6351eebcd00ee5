/// A finished block that holds an end token ends the answer (dInfer, LocalLeap).
public struct EndOfBlockStop: StopPolicy {
  /// The name in recipes.
  public static let name = "eos-block"
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
    guard state.isBlockClosed, let end = state.firstEnd, end < state.blockEnd else { return .goOn }
    return .finish
  }
}
