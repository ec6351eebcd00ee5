/// Why a benchmark cannot run.
public enum BenchmarkError: Error, Sendable, Hashable, CustomStringConvertible {
  /// A parameter out of its range.
  case option(name: String, found: String, expected: String)
  /// What is to be measured does not fit the context.
  case context(needed: Int, available: Int)

  /// A sentence with what was found and what was expected.
  public var description: String {
    switch self {
    case .option(let name, let found, let expected): "\(name) is \(found), expected \(expected)"
    case .context(let needed, let available):
      "\(needed) positions are needed and the context has \(available)"
    }
  }

  /// Checks a list of numbers that may not be empty.
  static func check(_ name: String, _ numbers: [Int], in range: ClosedRange<Int>) throws(BenchmarkError) {
    let expected = "\(range.lowerBound) to \(range.upperBound)"
    if numbers.isEmpty { throw .option(name: name, found: "empty", expected: "at least one number") }
    if let number = numbers.first(where: { !range.contains($0) }) {
      throw .option(name: name, found: "\(number)", expected: expected)
    }
  }
}
