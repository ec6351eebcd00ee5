/// A random order, from the seed of the request: the `random` remasking of LLaDA.
public struct RandomScore: Scorer {
  /// The name in recipes.
  public static let name = "random"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = []
  /// The values of the parameters.
  public let values: [PolicyValue] = []
  /// The scorer.
  public init() {}
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) {}
  /// The score of an open slot; larger is better.
  public func score(_ candidate: Candidate, random: Double) -> Float { Float(random) }
}
