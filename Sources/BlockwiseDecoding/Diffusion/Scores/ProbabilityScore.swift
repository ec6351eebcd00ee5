/// The probability of the token that would be decided: low-confidence remasking (LLaDA), `maskgit_plus` (Dream).
public struct ProbabilityScore: Scorer {
  /// The name in recipes.
  public static let name = "p1"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = []
  /// The values of the parameters.
  public let values: [PolicyValue] = []
  /// The scorer.
  public init() {}
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) {}
  /// The score of an open slot; larger is better.
  public func score(_ candidate: Candidate, random: Double) -> Float { candidate.probability }
}
