/// Measurements of one thing: seconds, or a rate.
public struct Samples: Sendable, Hashable {
  /// In the order of measuring.
  public private(set) var values: [Double] = []

  /// No measurement yet.
  public init() {}

  /// The given measurements.
  public init(_ values: [Double]) { self.values = values }

  /// Adds a measurement.
  public mutating func append(_ value: Double) { values.append(value) }

  /// The middle of the sorted values; 0 of none.
  public var median: Double {
    guard !values.isEmpty else { return 0 }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  /// The smallest value; 0 of none.
  public var minimum: Double { values.min() ?? 0 }
}
