/// The whole budget is filled, whatever it holds: the published samplers of LLaDA and Dream.
public struct BudgetStop: StopPolicy {
  /// The name in recipes.
  public static let name = "budget"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = []
  /// The values of the parameters.
  public let values: [PolicyValue] = []
  /// The policy.
  public init() {}
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) {}
  /// What to do after a pass.
  public func decide(_ state: StopState) -> StopDecision { .goOn }
}
