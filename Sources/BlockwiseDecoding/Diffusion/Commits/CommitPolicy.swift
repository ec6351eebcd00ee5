/// Slot *commit*: how many of the open positions are decided in a pass.
///
/// A policy may choose nothing: the driver then decides the best one, so that every pass brings something.
public protocol CommitPolicy: RecipePolicy {
  /// The slots to decide; only open ones count.
  func select(_ step: BlockStep) -> [Int]
  /// What it wants to know.
  var needs: StatisticNeeds { get }
  /// Whether it may decide more than one position in a pass.
  var isParallel: Bool { get }
}

extension CommitPolicy {
  /// Nothing beside the usual.
  public var needs: StatisticNeeds { [] }
  /// Yes.
  public var isParallel: Bool { true }
}

/// The commit policies there are.
enum CommitPolicies {
  static let all: [any RecipePolicy.Type] = [
    QuotaCommit.self, ThresholdCommit.self, FactorCommit.self, LeapCommit.self, StableCommit.self,
    EntropyBoundedCommit.self, SequentialCommit.self, DreamCommit.self, OriginCommit.self, FilterCommit.self,
  ]
  static let missing: [String: String] = [
    "hierarchy": "the rule of dInfer is not built",
    "slowfast": "SlowFast sampling is not built",
    "prophet": "the early commit of Prophet is not built",
  ]
}
