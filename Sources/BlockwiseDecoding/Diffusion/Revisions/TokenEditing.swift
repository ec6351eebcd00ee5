/// Token editing of LLaDA2.1: every pass also speaks of the decided tokens of the open block; where it prefers another one with
/// more than a threshold, that one takes the place. After the last mask passes go on until nothing changes. For models that were
/// trained for it.
public struct TokenEditing: RevisePolicy {
  /// The name in recipes.
  public static let name = "edit"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [
    .number("threshold", 0...2, 0.9), .whole("extra", 0...1024, 16),
  ]
  /// The least probability of the other token.
  public var threshold: Double
  /// Passes after the last mask.
  public var extraPassCount: Int

  /// The policy.
  public init(_ threshold: Double = 0.9, extraPassCount: Int = 16) {
    self.threshold = threshold
    self.extraPassCount = extraPassCount
  }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init(values[0].double, extraPassCount: values[1].int) }
  /// The values of the parameters.
  public var values: [PolicyValue] { [.number(threshold), .whole(extraPassCount)] }
  /// What it wants to know.
  public var needs: StatisticNeeds { .allSlots }

  /// What to change after a pass.
  public func revise(_ state: RevisionState) -> [Revision] {
    let now = Set(state.committedNow)
    return state.decided.indices.compactMap { slot in
      guard let decided = state.decided[slot], !now.contains(slot),
        let candidate = state.step.candidates[slot],
        candidate.token != decided.token, Double(candidate.probability) > threshold
      else { return nil }
      return .replace(slot: slot, token: candidate.token, probability: candidate.probability)
    }
  }
}
