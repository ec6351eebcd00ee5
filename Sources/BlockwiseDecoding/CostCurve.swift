/// What a pass over n rows costs on this machine: the number that decides how many rows a block method may add.
///
/// Measured at no context, with the logits of all rows; lines between the measured points.
public struct CostCurve: Sendable, Hashable {
  /// One measured row count.
  public struct Point: Sendable, Hashable {
    /// Rows of the pass.
    public let rowCount: Int
    /// Milliseconds of the pass.
    public let milliseconds: Double

    /// A measured pass.
    public init(rowCount: Int, milliseconds: Double) {
      self.rowCount = rowCount
      self.milliseconds = milliseconds
    }
  }

  /// The row counts of a probe; the last one only where it costs little.
  public static let rowCounts = [1, 2, 4, 8, 16, 32, 64]

  /// Row counts that a curve of a benchmark must have before it takes the place of a probe.
  package static let requiredRowCounts = [1, 2, 4, 8, 16, 32]

  /// The measured points, in rising order of rows; the first is one row.
  public let points: [Point]

  /// A curve through points; nil unless they begin at one row, rise in rows, and are positive finite times.
  ///
  /// Where more rows were measured to cost less, the smaller pass takes their time: a disturbance of the machine only
  /// ever makes a pass slower.
  public init?(_ points: [Point]) {
    guard points.first?.rowCount == 1 else { return nil }
    guard zip(points, points.dropFirst()).allSatisfy({ $0.rowCount < $1.rowCount }) else { return nil }
    guard points.allSatisfy({ $0.milliseconds > 0 && $0.milliseconds.isFinite }) else { return nil }
    self.init(measured: points)
  }

  /// A curve through points that are known to be such.
  package init(measured points: [Point]) {
    precondition(points.first?.rowCount == 1, "a curve that does not begin at one row")
    var least = Double.infinity
    var kept: [Point] = []
    for point in points.reversed() {
      least = min(least, point.milliseconds)
      kept.append(Point(rowCount: point.rowCount, milliseconds: least))
    }
    self.points = kept.reversed()
  }

  /// Milliseconds of a pass over `count` rows: on the line between the measured neighbours, and beyond the last point
  /// on the line through the last two (through zero where there is only one).
  /// - Precondition: `count` is at least 1.
  public func cost(rows count: Int) -> Double {
    precondition(count >= 1, "the cost of \(count) rows")
    let upper = points.firstIndex { $0.rowCount >= count } ?? points.count - 1
    let right = points[upper]
    if right.rowCount == count { return right.milliseconds }
    let left = upper > 0 ? points[upper - 1] : Point(rowCount: 0, milliseconds: 0)
    let slope = (right.milliseconds - left.milliseconds) / Double(right.rowCount - left.rowCount)
    return right.milliseconds + slope * Double(count - right.rowCount)
  }

  /// The cost of a pass over `count` rows in units of one row.
  /// - Precondition: `count` is at least 1.
  public func relativeCost(rows count: Int) -> Double { cost(rows: count) / points[0].milliseconds }
}
