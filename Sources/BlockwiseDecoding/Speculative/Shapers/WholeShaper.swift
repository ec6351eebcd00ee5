/// Keeps every guess.
public struct WholeShaper: TreeShaper {
  /// The name in recipes.
  public static let name = "all"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [.whole("limit", 1...512, 64)]
  /// Sources need not guess more than this.
  public var nodeLimit: Int

  /// The policy.
  public init(limit: Int = 64) { nodeLimit = limit }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init(limit: values[0].int) }
  /// The values of the parameters.
  public var values: [PolicyValue] { [.whole(nodeLimit)] }
  /// It takes them as they come.
  public var looksAtGuesses: Bool { false }
  /// All nodes, up to the limit.
  public func select(_ tree: TokenTree, budget: DraftBudget) -> [Int] {
    Array(0..<min(nodeLimit, tree.count))
  }
}
