/// What passes cost: a measured curve where there is one, else what the passes of this generation show.
///
/// Without a curve an extra row is first taken to cost what a row of the prompt did, at least a twelfth of a pass; every pass then corrects
/// that for its number of rows, and for other numbers of which nothing is known.
package struct PassCosts: Sendable {
  private let measured: CostCurve?
  /// Seconds of the last passes of one row.
  private var single = Recent()
  /// By size class: what a row beyond the first costs, in passes of one row.
  private var slopes: [Recent]
  /// Passes of one row since the last one of more.
  private var singleCount = 0
  /// What a row of the prompt has taken.
  private var promptRowSeconds: Double?
  package private(set) var curve: CostCurve

  private static let assumedSlope = 1.0 / 12
  /// The first pass of a process takes longer than others, which is not to be the end of guessing.
  private static let largestAssumedSlope = 0.25
  /// After so many passes of one row alone the most expensive of the others is forgotten, for every size.
  private static let patience = 16
  /// Prompts of fewer rows say little.
  private static let leastPromptRows = 8
  /// Where the classes end.
  private static let bounds = [2, 4, 8, 16, 32, 64]

  /// The last few values.
  private struct Recent {
    private var values: [Double] = []
    /// The median; of an even number the smaller one.
    private(set) var typical: Double?
    var count: Int { values.count }
    mutating func add(_ value: Double) {
      values.append(value)
      if values.count > 9 { values.removeFirst() }
      renew()
    }
    mutating func forgetLargest() {
      guard let index = values.indices.max(by: { values[$0] < values[$1] }) else { return }
      values.remove(at: index)
      renew()
    }
    private mutating func renew() {
      typical = values.isEmpty ? nil : values.sorted()[(values.count - 1) / 2]
    }
  }

  package init(_ measured: CostCurve?) {
    self.measured = measured
    slopes = Array(repeating: Recent(), count: Self.bounds.count)
    curve = measured ?? Self.curve(slopes, assumed: Self.assumedSlope)
  }

  /// Whether costs are known at all: before that nothing is risked.
  package var isKnown: Bool { measured != nil || single.count >= 2 }

  /// Whether a pass of more than one row has been seen.
  package var areRowsKnown: Bool { measured != nil || slopes.contains { $0.typical != nil } }

  /// Seconds of a pass of one row.
  package var singleSeconds: Double? { measured.map { $0.cost(rows: 1) / 1e3 } ?? single.typical }

  /// Takes in the reading of a prompt.
  package mutating func record(promptRows rows: Int, seconds: Double) {
    guard measured == nil, rows >= Self.leastPromptRows, seconds > 0 else { return }
    promptRowSeconds = seconds / Double(rows)
    renew()
  }

  /// Takes in a pass that no other request shared.
  package mutating func record(rows: Int, seconds: Double) {
    guard measured == nil else { return }
    if rows > 1 {
      guard let base = single.typical, base > 0 else { return }
      let index = Self.bounds.firstIndex { rows <= $0 } ?? Self.bounds.count - 1
      slopes[index].add(max(0, (seconds / base - 1) / Double(rows - 1)))
      singleCount = 0
      return renew()
    }
    single.add(seconds)
    singleCount += 1
    // A few passes that were disturbed are not to be the end of guessing.
    if singleCount % Self.patience == 0 {
      for index in slopes.indices { slopes[index].forgetLargest() }
      renew()
    } else if slopes.allSatisfy({ $0.typical == nil }) {
      renew()
    }
  }

  private mutating func renew() {
    var assumed = Self.assumedSlope
    if let promptRowSeconds, let base = single.typical, base > 0 {
      assumed = min(Self.largestAssumedSlope, max(assumed, promptRowSeconds / base))
    }
    curve = Self.curve(slopes, assumed: assumed)
  }

  /// What is not known of a size is taken from the next smaller one, else from the next larger one.
  private static func curve(_ slopes: [Recent], assumed: Double) -> CostCurve {
    let known = slopes.map(\.typical)
    var points = [CostCurve.Point(rowCount: 1, milliseconds: 1)]
    for (index, bound) in bounds.enumerated() {
      let slope =
        known[...index].compactMap(\.self).last ?? known[index...].compactMap(\.self).first ?? assumed
      points.append(CostCurve.Point(rowCount: bound, milliseconds: 1 + Double(bound - 1) * slope))
    }
    return CostCurve(measured: points)
  }
}
