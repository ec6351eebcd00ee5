/// The negative entropy of the distribution, in nats: `entropy` (Dream). Thresholds on it are therefore at most 0.
public struct EntropyScore: Scorer {
  /// The name in recipes.
  public static let name = "entropy"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = []
  /// The values of the parameters.
  public let values: [PolicyValue] = []
  /// The scorer.
  public init() {}
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) {}
  /// The score of an open slot; larger is better.
  public func score(_ candidate: Candidate, random: Double) -> Float { -candidate.entropy }
}
