/// Everything is computed in every pass: exact, and the price grows with the prompt.
public struct NoCache: CachePolicy {
  public static let name = "none"
  public static let parameters: [PolicyParameter] = []
  public let values: [PolicyValue] = []
  /// The policy.
  public init() {}
  public init(_ values: [PolicyValue]) {}
  public var isApproximate: Bool { false }
  public func scope(pass: Int) -> PassScope { .everything }
}
