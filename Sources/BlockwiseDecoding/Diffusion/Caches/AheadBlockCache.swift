/// As ``ExactBlockCache``, with fewer passes: the pass that makes a finished block part of the context looks at the next block too.
///
/// Where the first token of a block comes from the context (shifted logits), the last row of the block before has guessed it while
/// it was filled. A wrong guess costs rows and no pass: the block is then looked at again. So the text is that of `exact`.
public struct AheadBlockCache: CachePolicy {
  /// The name in recipes.
  public static let name = "ahead"
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
  public func scope(pass: Int) -> PassScope { .block }
}
