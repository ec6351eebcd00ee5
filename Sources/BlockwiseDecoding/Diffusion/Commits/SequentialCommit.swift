/// From left to right, a fixed number in each pass: the sequential strategy of SDAR.
public struct SequentialCommit: CommitPolicy {
  public static let name = "sequential"
  public static let parameters: [PolicyParameter] = [.whole("count", 1...1 << 16, 1)]
  /// Positions per pass.
  public var count: Int

  /// The policy.
  public init(_ count: Int = 1) { self.count = count }
  public init(_ values: [PolicyValue]) { self.init(values[0].int) }
  public var values: [PolicyValue] { [.whole(count)] }
  public var isParallel: Bool { count > 1 }
  public func select(_ step: BlockStep) -> [Int] { Array(step.openSlots.prefix(count)) }
}
