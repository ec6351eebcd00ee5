/// Slot *stop*: when the answer is complete. What follows its first end token never belongs to it.
public protocol StopPolicy: RecipePolicy {
  /// What to do after a pass.
  func decide(_ state: StopState) -> StopDecision
  /// Whether it may cut what the model has not decided.
  var isApproximate: Bool { get }
}

extension StopPolicy {
  /// No.
  public var isApproximate: Bool { false }
}

/// What a stop policy knows.
public struct StopState: Sendable {
  /// The first end token that is decided or known, as a slot of the whole answer; nil when there is none.
  public var firstEnd: Int?
  /// The first slot of the answer that is still open; nil when none is.
  public var firstOpen: Int?
  /// Whether the block that was open has just been finished.
  public var isBlockClosed: Bool
  /// Slots of the answer before the open block's end.
  public var blockEnd: Int
  /// Whether decided tokens can still change before their block is finished.
  public var isRevisable: Bool
  /// Predictions of an end token at open slots of the open block, with their probabilities.
  public var predictedEnds: [(slot: Int, probability: Float)]
}

/// What happens next.
public enum StopDecision: Sendable, Hashable {
  /// The next pass.
  case goOn
  /// The answer is what lies before the first end token.
  case finish
  /// Slots from this one on are dropped.
  case truncate(Int)
}

/// The stop policies there are.
enum StopPolicies {
  static let all: [any RecipePolicy.Type] = [
    BudgetStop.self, EndOfBlockStop.self, EarliestEnd.self, EndPrediction.self,
  ]
  static let missing: [String: String] = [:]
}
