/// Everything is computed in every pass: exact, and the price grows with the prompt.
public struct NoCache: CachePolicy {
  /// The name in recipes.
  public static let name = "none"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = []
  /// The values of the parameters.
  public let values: [PolicyValue] = []
  /// The policy.
  public init() {}
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) {}
  /// Whether keys and values can be older than what their rows see.
  public var isApproximate: Bool { false }
  /// The rows of a pass.
  public func scope(pass: Int) -> PassScope { .everything }
}
