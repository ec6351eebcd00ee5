/// A random order, from the seed of the request: the `random` remasking of LLaDA.
public struct RandomScore: Scorer {
  public static let name = "random"
  public static let parameters: [PolicyParameter] = []
  public let values: [PolicyValue] = []
  /// The scorer.
  public init() {}
  public init(_ values: [PolicyValue]) {}
  public func score(_ candidate: Candidate, random: Double) -> Float { Float(random) }
}
