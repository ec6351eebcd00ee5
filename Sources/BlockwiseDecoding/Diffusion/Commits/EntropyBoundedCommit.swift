/// The EB-Sampler: the longest run of the best positions whose entropies, the largest left out, add up to at
/// most a bound: a bound on what deciding them together can lose.
public struct EntropyBoundedCommit: CommitPolicy {
  /// The name in recipes.
  public static let name = "eb"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [.number("bound", 0...1e9, 0.001)]
  /// γ, in nats.
  public var bound: Double

  /// The policy.
  public init(_ bound: Double = 0.001) { self.bound = bound }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init(values[0].double) }
  /// The values of the parameters.
  public var values: [PolicyValue] { [.number(bound)] }

  /// The slots to decide.
  public func select(_ step: BlockStep) -> [Int] {
    var chosen: [Int] = []
    var (sum, largest) = (0.0, 0.0)
    for slot in step.ranked {
      let entropy = Double(step.candidates[slot]?.entropy ?? .infinity)
      sum += entropy
      largest = max(largest, entropy)
      guard sum - largest <= bound else { break }
      chosen.append(slot)
    }
    return chosen
  }
}
