/// The prefix cache of Fast-dLLM (arXiv 2505.22618): a pass over everything opens a block; later ones compute the block and what
/// follows it. For models that see everything, where what lies before the block would change a little as it fills.
public struct PrefixCache: CachePolicy {
  /// The name in recipes.
  public static let name = "prefix"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [.whole("refresh", 0...1 << 16, 0)]
  /// Everything is computed again every so many passes; 0 for once a block.
  public var refresh: Int

  /// The policy.
  public init(refresh: Int = 0) { self.refresh = refresh }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init(refresh: values[0].int) }
  /// The values of the parameters.
  public var values: [PolicyValue] { refresh == 0 ? [] : [.whole(refresh)] }
  /// Whether keys and values can be older than what their rows see.
  public var isApproximate: Bool { refresh != 1 }
  /// The rows of a pass.
  public func scope(pass: Int) -> PassScope {
    pass == 0 || refresh > 0 && pass % refresh == 0 ? .everything : .fromBlock
  }
}
