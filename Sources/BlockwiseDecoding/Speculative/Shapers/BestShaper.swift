/// Keeps the likeliest guesses, a fixed number of them.
public struct BestShaper: TreeShaper {
  /// The name in recipes.
  public static let name = "best"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [.whole("count", 1...512)]
  /// Guesses of a pass.
  public var nodeLimit: Int

  /// The policy.
  public init(count: Int) { nodeLimit = count }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init(count: values[0].int) }
  /// The values of the parameters.
  public var values: [PolicyValue] { [.whole(nodeLimit)] }
  /// Yes.
  public var looksAtGuesses: Bool { true }
  /// The first of the ranking. A parent is at least as likely as its children, so it is among them.
  public func select(_ tree: TokenTree, budget: DraftBudget) -> [Int] {
    budget.ranking.prefix(nodeLimit).sorted()
  }
}
