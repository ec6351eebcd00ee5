/// The answer ends as soon as no mask lies before its first end token (Fast-dLLM v2); where decisions can be taken back, not before
/// their block is finished.
public struct EarliestEnd: StopPolicy {
  public static let name = "eos"
  public static let parameters: [PolicyParameter] = []
  public let values: [PolicyValue] = []
  /// The policy.
  public init() {}
  public init(_ values: [PolicyValue]) {}
  public func decide(_ state: StopState) -> StopDecision {
    guard let end = state.firstEnd, !state.isRevisable || state.isBlockClosed else { return .goOn }
    return state.firstOpen.map { end < $0 } ?? true ? .finish : .goOn
  }
}
