/// What is decided is final.
public struct NoRevision: RevisePolicy {
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
  /// Decisions are final.
  public var delaysEnd: Bool { false }
  /// What to change after a pass.
  public func revise(_ state: RevisionState) -> [Revision] { [] }
}
