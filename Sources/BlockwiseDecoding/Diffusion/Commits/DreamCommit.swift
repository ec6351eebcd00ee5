/// Dream's schedule (arXiv 2508.15487): time runs from 1 to ε in equal steps from t to s, and of the open positions the share
/// 1 − s/t is decided, rounded down, the best first; the last step decides all.
public struct DreamCommit: CommitPolicy {
  /// The name in recipes.
  public static let name = "dream"
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
    let share = Self.share(pass: step.pass, stepCount: stepCount, epsilon: epsilon)
    return Array(step.ranked.prefix(Int(Double(step.openSlots.count) * share)))
  }

  /// The share of the open positions that a pass decides.
  static func share(pass: Int, stepCount: Int, epsilon: Double) -> Double {
    guard pass < stepCount - 1 else { return 1 }
    func time(_ step: Int) -> Double { 1 - (1 - epsilon) * Double(step) / Double(stepCount) }
    return 1 - time(pass + 1) / time(pass)
  }
}
