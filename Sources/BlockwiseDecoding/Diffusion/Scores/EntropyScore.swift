/// The negative entropy of the distribution, in nats: `entropy` (Dream). Thresholds on it are therefore at most 0.
public struct EntropyScore: Scorer {
  public static let name = "entropy"
  public static let parameters: [PolicyParameter] = []
  public let values: [PolicyValue] = []
  /// The scorer.
  public init() {}
  public init(_ values: [PolicyValue]) {}
  public func score(_ candidate: Candidate, random: Double) -> Float { -candidate.entropy }
}
