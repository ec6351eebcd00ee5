/// An even split of a block over a number of passes, the best positions first: the schedule of LLaDA (arXiv 2502.09992) and
/// the static strategy of SDAR.
///
/// Of `n` slots and `s` passes each pass decides n / s, the first n mod s passes one more.
public struct QuotaCommit: CommitPolicy {
  /// The name in recipes.
  public static let name = "quota"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [.whole("passes", 0...1 << 16, 0)]
  /// Passes per block; 0 for as many as slots: one token each.
  public var passCount: Int

  /// The policy.
  public init(_ passCount: Int = 0) { self.passCount = passCount }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init(values[0].int) }
  /// The values of the parameters.
  public var values: [PolicyValue] { [.whole(passCount)] }
  /// Whether a pass may decide more than one position.
  public var isParallel: Bool { passCount != 0 }

  /// The slots to decide.
  public func select(_ step: BlockStep) -> [Int] {
    Array(step.ranked.prefix(Self.quota(of: step.scheduledCount, passCount: passCount, pass: step.pass)))
  }

  /// Positions that a pass has to decide; 1 beyond the schedule's end.
  static func quota(of count: Int, passCount: Int, pass: Int) -> Int {
    guard passCount > 0, pass < passCount else { return 1 }
    return count / passCount + (pass < count % passCount ? 1 : 0)
  }
}
