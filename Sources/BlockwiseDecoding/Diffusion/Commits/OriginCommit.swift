/// Dream's original sampler: in a step from time t to s every open position is decided with probability 1 − s/t, whatever the
/// model thinks of it; the last step decides all.
public struct OriginCommit: CommitPolicy {
  /// The name in recipes.
  public static let name = "origin"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [
    .whole("steps", 1...1 << 16), .number("epsilon", 1e-6...0.5, 1e-3),
  ]
  /// Steps of the whole answer.
  public var stepCount: Int
  /// ε.
  public var epsilon: Double

  /// The policy.
  public init(_ stepCount: Int, epsilon: Double = 1e-3) {
    self.stepCount = stepCount
    self.epsilon = epsilon
  }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init(values[0].int, epsilon: values[1].double) }
  /// The values of the parameters.
  public var values: [PolicyValue] { [.whole(stepCount), .number(epsilon)] }

  /// The slots to decide.
  public func select(_ step: BlockStep) -> [Int] {
    let share = DreamCommit.share(pass: step.pass, stepCount: stepCount, epsilon: epsilon)
    return step.openSlots.filter { step.random($0) < share }
  }
}
