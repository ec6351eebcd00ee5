/// Finished blocks never change, so their keys and values are computed once: exact, for models that were trained on blocks.
public struct ExactBlockCache: CachePolicy {
  public static let name = "exact"
  public static let parameters: [PolicyParameter] = []
  public let values: [PolicyValue] = []
  /// The policy.
  public init() {}
  public init(_ values: [PolicyValue]) {}
  public var isApproximate: Bool { false }
  public func scope(pass: Int) -> PassScope { .block }
}
