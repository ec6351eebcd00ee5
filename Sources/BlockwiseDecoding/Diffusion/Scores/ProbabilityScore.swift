/// The probability of the token that would be decided: low-confidence remasking (LLaDA), `maskgit_plus` (Dream).
public struct ProbabilityScore: Scorer {
  public static let name = "p1"
  public static let parameters: [PolicyParameter] = []
  public let values: [PolicyValue] = []
  /// The scorer.
  public init() {}
  public init(_ values: [PolicyValue]) {}
  public func score(_ candidate: Candidate, random: Double) -> Float { candidate.probability }
}
