/// The sub-block cache of Fast-dLLM v2 (arXiv 2509.26328): beside finished blocks, the rest of the open block is kept while one of
/// its parts is worked on. Needs `block=fixed(size,sub-block)`; approximate inside the block.
public struct SubBlockCache: CachePolicy {
  /// The name in recipes.
  public static let name = "sub"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [.whole("refresh", 0...1 << 16, 0)]
  /// The whole block is computed again every so many passes; 0 for only where a part is begun.
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
    pass == 0 || refresh > 0 && pass % refresh == 0 ? .block : .subBlock
  }
}
