public import BlockwiseFiles

/// Everything at once: any position of the answer may be decided at any time (Dream, arXiv 2508.15487).
public struct WholeCanvas: BlockPolicy {
  /// The name in recipes.
  public static let name = "whole"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = []
  /// The values of the parameters.
  public let values: [PolicyValue] = []

  /// The policy.
  public init() {}
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) {}

  /// Slots that the opening pass looks at.
  public func window(remaining: Int, budget: Int) -> Int { remaining }
  /// The length of a block.
  public func length(candidates: [Candidate?], delimiters: Set<TokenID>, remaining: Int, budget: Int) -> Int {
    remaining
  }
}
