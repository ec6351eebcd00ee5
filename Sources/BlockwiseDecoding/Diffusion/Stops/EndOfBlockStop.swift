/// A finished block that holds an end token ends the answer (dInfer, LocalLeap).
public struct EndOfBlockStop: StopPolicy {
  public static let name = "eos-block"
  public static let parameters: [PolicyParameter] = []
  public let values: [PolicyValue] = []
  /// The policy.
  public init() {}
  public init(_ values: [PolicyValue]) {}
  public func decide(_ state: StopState) -> StopDecision {
    guard state.isBlockClosed, let end = state.firstEnd, end < state.blockEnd else { return .goOn }
    return .finish
  }
}
