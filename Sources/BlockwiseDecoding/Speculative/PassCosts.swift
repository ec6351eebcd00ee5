/// What passes cost: a measured curve where there is one, else what the passes of this generation show.
///
/// Without a curve an extra row is first taken to cost a twelfth of a pass, which is more than it does on the machines that
/// were measured; every pass then corrects that for its number of rows.
struct PassCosts: Sendable {
  private let measured: CostCurve?
  /// Seconds of the last passes of one row.
  private var single = Recent()
  /// By size class: what a row beyond the first costs, in passes of one row.
  private var slopes: [Recent]
  private(set) var curve: CostCurve

  private static let assumedSlope = 1.0 / 12
  /// Where the classes end.
  private static let bounds = [2, 4, 8, 16, 32, 64]

  /// The last few values.
  private struct Recent {
    var values: [Double] = []
    mutating func add(_ value: Double) {
      values.append(value)
      if values.count > 9 { values.removeFirst() }
    }
    var median: Double? { values.isEmpty ? nil : values.sorted()[(values.count - 1) / 2] }
  }

  init(_ measured: CostCurve?) {
    self.measured = measured
    slopes = Array(repeating: Recent(), count: Self.bounds.count)
    curve = measured ?? Self.curve(slopes)
  }

  /// Whether costs are known at all: before that nothing is risked.
  var isKnown: Bool { measured != nil || single.values.count >= 2 }

  /// Seconds of a pass of one row.
  var singleSeconds: Double? { measured.map { $0.cost(rows: 1) / 1e3 } ?? single.median }

  /// Takes in a pass that no other request shared.
  mutating func record(rows: Int, seconds: Double) {
    guard measured == nil else { return }
    guard rows > 1 else { return single.add(seconds) }
    guard let base = single.median, base > 0 else { return }
    let index = Self.bounds.firstIndex { rows <= $0 } ?? Self.bounds.count - 1
    slopes[index].add(max(0, (seconds / base - 1) / Double(rows - 1)))
    curve = Self.curve(slopes)
  }

  private static func curve(_ slopes: [Recent]) -> CostCurve {
    var points = [CostCurve.Point(rowCount: 1, milliseconds: 1)]
    for (bound, slope) in zip(bounds, slopes) {
      points.append(
        CostCurve.Point(rowCount: bound, milliseconds: 1 + Double(bound - 1) * (slope.median ?? assumedSlope))
      )
    }
    return CostCurve(measured: points)
  }
}
