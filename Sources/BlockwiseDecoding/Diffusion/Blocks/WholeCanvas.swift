public import BlockwiseFiles

/// Everything at once: any position of the answer may be decided at any time (Dream, arXiv 2508.15487).
public struct WholeCanvas: BlockPolicy {
  public static let name = "whole"
  public static let parameters: [PolicyParameter] = []
  public let values: [PolicyValue] = []

  /// The policy.
  public init() {}
  public init(_ values: [PolicyValue]) {}

  public func window(remaining: Int, budget: Int) -> Int { remaining }
  public func length(candidates: [Candidate?], delimiters: Set<TokenID>, remaining: Int, budget: Int) -> Int {
    remaining
  }
}
