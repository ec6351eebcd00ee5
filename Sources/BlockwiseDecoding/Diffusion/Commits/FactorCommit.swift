/// The largest n with (n + 1)(1 − cₙ) ≤ f, cₙ the n-th best probability (Fast-dLLM, arXiv 2505.22618, its factor rule).
///
/// With f = 1 the most likely tokens of n marginals are the most likely tokens of the joint distribution, if each marginal exceeds
/// 1 − ε with (n + 1) ε ≤ 1. The border itself counts, with room for rounding.
public struct FactorCommit: CommitPolicy {
  /// The name in recipes.
  public static let name = "factor"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [.number("factor", 0...1000, 1)]
  private static let rounding = 1e-6
  /// f.
  public var factor: Double

  /// The policy.
  public init(_ factor: Double = 1) { self.factor = factor }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init(values[0].double) }
  /// The values of the parameters.
  public var values: [PolicyValue] { [.number(factor)] }

  /// The slots to decide.
  public func select(_ step: BlockStep) -> [Int] {
    let order = step.openSlots.sorted { (step.probability($0), $1) > (step.probability($1), $0) }
    var count = 0
    for (index, slot) in order.enumerated()
    where Double(index + 2) * (1 - Double(step.probability(slot))) <= factor + Self.rounding {
      count = index + 1
    }
    return Array(order.prefix(count))
  }
}
