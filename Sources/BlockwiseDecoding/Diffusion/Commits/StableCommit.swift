/// KLASS (arXiv 2511.05664): confident positions whose distribution has stopped moving: the divergence from the pass before
/// was below a bound in each of the last passes.
public struct StableCommit: CommitPolicy {
  /// The name in recipes.
  public static let name = "klass"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [
    .number("threshold", -1...2, 0.9), .number("divergence", 0...1000, 0.01), .whole("history", 0...64, 2),
  ]
  /// The least probability.
  public var threshold: Double
  /// The bound of the divergence, in nats.
  public var divergence: Double
  /// How many passes.
  public var history: Int

  /// The policy.
  public init(_ threshold: Double = 0.9, divergence: Double = 0.01, history: Int = 2) {
    self.threshold = threshold
    self.divergence = divergence
    self.history = history
  }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) {
    self.init(values[0].double, divergence: values[1].double, history: values[2].int)
  }
  /// The values of the parameters.
  public var values: [PolicyValue] { [.number(threshold), .number(divergence), .whole(history)] }
  /// What it wants to know.
  public var needs: StatisticNeeds { history > 0 ? .divergence : [] }

  /// The slots to decide.
  public func select(_ step: BlockStep) -> [Int] {
    step.openSlots.filter { slot in
      guard let candidate = step.candidates[slot], Double(candidate.probability) > threshold else {
        return false
      }
      let last = candidate.divergences.prefix(history)
      return last.count == history && last.allSatisfy { Double($0) < divergence }
    }
  }
}
