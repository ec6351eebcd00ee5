/// LocalLeap (arXiv 2510.07081): around an open position of high probability a lower one is enough.
public struct LeapCommit: CommitPolicy {
  /// The name in recipes.
  public static let name = "leap"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [
    .number("anchor", 0...2, 0.9), .number("relaxed", 0...2, 0.75), .whole("radius", 0...1 << 16, 4),
  ]
  /// The least probability of an anchor, and of positions that are near none.
  public var anchor: Double
  /// The least probability near an anchor.
  public var relaxed: Double
  /// How far an anchor reaches to both sides.
  public var radius: Int

  /// The policy.
  public init(anchor: Double = 0.9, relaxed: Double = 0.75, radius: Int = 4) {
    self.anchor = anchor
    self.relaxed = relaxed
    self.radius = radius
  }

  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) throws {
    self.init(anchor: values[0].double, relaxed: values[1].double, radius: values[2].int)
    guard relaxed <= anchor else {
      throw PolicyProblem(parameter: 1, reason: "relaxed is above the threshold of anchors")
    }
  }

  /// The values of the parameters.
  public var values: [PolicyValue] { [.number(anchor), .number(relaxed), .whole(radius)] }

  /// The slots to decide.
  public func select(_ step: BlockStep) -> [Int] {
    let open = step.openSlots
    let anchors = open.filter { Double(step.probability($0)) > anchor }
    return open.filter { slot in
      let isNear = anchors.contains { abs($0 - slot) <= radius }
      return Double(step.probability(slot)) > (isNear ? relaxed : anchor)
    }
  }
}
