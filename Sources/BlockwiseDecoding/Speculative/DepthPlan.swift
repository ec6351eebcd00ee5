/// How far a source that costs passes should guess: chosen before it does, from how far it has been right lately and from
/// what a step costs.
struct DepthPlan {
  /// The chance that a step is right when all before it were, and what a step costs in passes of one row.
  private var chance = 0.7
  private(set) var stepCost: Double
  private var measured: [Double] = []
  /// What a row has cost when many were read at once, in passes of one row.
  private var rowCost: Double?
  /// Rounds since it was last asked.
  private var idleCount = 0

  private static let fading = 0.9
  /// A source that does not pay is asked again after so many rounds.
  private static let retryInterval = 64

  init(stepCost: Double) { self.stepCost = stepCost }

  /// The depth that promises the most tokens per time; 0 where guessing does not pay.
  mutating func depth(costs: CostCurve, allowance: Double, limit: Int) -> Int {
    var best = (rate: 1.0, depth: 0)
    var tokens = 1.0
    var reached = 1.0
    for depth in 0..<max(0, min(limit, 16)) {
      reached *= chance
      tokens += reached
      let cost = costs.relativeCost(rows: depth + 2) + Double(depth + 1) * stepCost
      if cost - 1 > allowance { break }
      if tokens / cost > best.rate { best = (tokens / cost, depth + 1) }
    }
    idleCount = best.depth > 0 ? 0 : idleCount + 1
    if idleCount >= Self.retryInterval, limit > 0, costs.relativeCost(rows: 2) - 1 + stepCost <= allowance {
      idleCount = 0
      return 1
    }
    return best.depth
  }

  /// Takes a cost as given.
  mutating func fix(stepCost cost: Double) { (stepCost, measured, rowCost) = (cost, [], nil) }

  /// What reading so many rows at once will cost: as much as it did before, and no less than the model's own curve says.
  func readingCost(rows: Int, costs: CostCurve) -> Double {
    guard rows > 0 else { return 0 }
    return max(stepCost * costs.relativeCost(rows: rows), Double(rows) * (rowCost ?? 0))
  }

  /// Takes in what reading rows at once has cost.
  mutating func record(rows: Int, readingCost cost: Double) { if rows > 0 { rowCost = cost / Double(rows) } }

  /// Takes in what a step costs at most, until one is measured.
  mutating func assume(atMost bound: Double) { if measured.isEmpty { stepCost = min(stepCost, bound) } }

  /// Takes in the cost of a proposal.
  mutating func record(depth: Int, stepCost: Double) {
    guard depth > 0 else { return }
    // The median of the last few: the first proposals find cold caches.
    measured.append(stepCost)
    if measured.count > 7 { measured.removeFirst() }
    self.stepCost = measured.sorted()[(measured.count - 1) / 2]
  }

  /// Takes in how far a proposal was right.
  mutating func learn(drafted: Int, right: Int) {
    for step in 0..<min(drafted, right + 1) {
      chance = Self.fading * chance + (1 - Self.fading) * (step < right ? 1 : 0)
    }
  }
}
