/// What is decided is final.
public struct NoRevision: RevisePolicy {
  public static let name = "none"
  public static let parameters: [PolicyParameter] = []
  public let values: [PolicyValue] = []
  /// The policy.
  public init() {}
  public init(_ values: [PolicyValue]) {}
  public func revise(_ state: RevisionState) -> [Revision] { [] }
}
