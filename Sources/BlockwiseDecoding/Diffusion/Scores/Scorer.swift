/// Slot *score*: how good a position is; the best ones are decided first.
public protocol Scorer: RecipePolicy {
  /// The score of an open slot; larger is better.
  /// - Parameter random: a number in [0, 1) that belongs to position and pass.
  func score(_ candidate: Candidate, random: Double) -> Float
}

/// The scorers there are.
enum Scorers {
  static let all: [any RecipePolicy.Type] = [
    ProbabilityScore.self, MarginScore.self, EntropyScore.self, RandomScore.self,
  ]
  static let missing: [String: String] = [
    "pc": "the token frequencies of PC-Sampler are not at hand",
    "prior": "the certainty prior of d2Cache is not built", "credit": "the credit of dInfer is not built",
  ]
}
