/// From left to right, a fixed number in each pass: the sequential strategy of SDAR.
public struct SequentialCommit: CommitPolicy {
  /// The name in recipes.
  public static let name = "sequential"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [.whole("count", 1...1 << 16, 1)]
  /// Positions per pass.
  public var count: Int

  /// The policy.
  public init(_ count: Int = 1) { self.count = count }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init(values[0].int) }
  /// The values of the parameters.
  public var values: [PolicyValue] { [.whole(count)] }
  /// Whether a pass may decide more than one position.
  public var isParallel: Bool { count > 1 }
  /// The slots to decide.
  public func select(_ step: BlockStep) -> [Int] { Array(step.openSlots.prefix(count)) }
}
