/// The whole budget is filled, whatever it holds: the published samplers of LLaDA and Dream.
public struct BudgetStop: StopPolicy {
  public static let name = "budget"
  public static let parameters: [PolicyParameter] = []
  public let values: [PolicyValue] = []
  /// The policy.
  public init() {}
  public init(_ values: [PolicyValue]) {}
  public func decide(_ state: StopState) -> StopDecision { .goOn }
}
