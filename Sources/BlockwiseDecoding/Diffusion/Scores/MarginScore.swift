/// The distance of the two most likely tokens' probabilities: `topk_margin` (Dream).
public struct MarginScore: Scorer {
  public static let name = "margin"
  public static let parameters: [PolicyParameter] = []
  public let values: [PolicyValue] = []
  /// The scorer.
  public init() {}
  public init(_ values: [PolicyValue]) {}
  public func score(_ candidate: Candidate, random: Double) -> Float { candidate.first - candidate.second }
}
