/// The token is drawn as plain decoding draws it, with the same random number, and the guess that equals it goes on. So the
/// text is that of plain decoding, token for token, for every seed; at temperature 0 this is the greedy match.
public struct ExactAcceptance: AcceptRule {
  /// The name in recipes.
  public static let name = "exact"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = []

  /// The policy.
  public init() {}
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init() }
  /// The values of the parameters.
  public var values: [PolicyValue] { [] }
  /// No.
  public var isLossy: Bool { false }
  /// Any guesses will do.
  public var needsWholeTree: Bool { false }
  /// No.
  public var textFollowsGuesses: Bool { false }

  /// Draws and looks the guess up.
  public func decide(
    _ node: Int, of tree: TokenTree, with reader: inout RowReader
  ) throws -> AcceptVerdict {
    let sampled = try reader.sample(node)
    return AcceptVerdict(sampled, next: tree.child(of: node, token: sampled.token))
  }
}
