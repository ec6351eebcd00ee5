/// A value in one slot of a recipe, such as `leap(0.9,0.75,4)`.
///
/// A new policy is one file with one of these, registered in its slot's table.
public protocol RecipePolicy: Sendable {
  /// The name in recipes.
  static var name: String { get }
  /// What stands between the parentheses.
  static var parameters: [PolicyParameter] { get }
  /// The values of the parameters.
  var values: [PolicyValue] { get }
  /// A policy from values that fit the parameters.
  init(_ values: [PolicyValue]) throws
}

extension RecipePolicy {
  /// The policy as recipes spell it, all parameters given.
  public var text: String {
    values.isEmpty ? Self.name : "\(Self.name)(\(values.map(\.text).joined(separator: ",")))"
  }
}

/// One parameter of a policy.
public struct PolicyParameter: Sendable, Hashable {
  /// The word for it in messages and help.
  public var name: String
  /// What it may be.
  public var kind: Kind
  /// What it is when it is not given; nil where it must be.
  public var fallback: PolicyValue?

  /// What a parameter may be.
  public enum Kind: Sendable, Hashable {
    /// A number in a range.
    case number(ClosedRange<Double>)
    /// A whole number in a range.
    case whole(ClosedRange<Int>)
    /// A path.
    case path
  }

  static func number(_ name: String, _ range: ClosedRange<Double>, _ fallback: Double? = nil)
    -> PolicyParameter
  {
    PolicyParameter(name: name, kind: .number(range), fallback: fallback.map { .number($0) })
  }

  static func whole(_ name: String, _ range: ClosedRange<Int>, _ fallback: Int? = nil) -> PolicyParameter {
    PolicyParameter(name: name, kind: .whole(range), fallback: fallback.map { .whole($0) })
  }

  static func path(_ name: String) -> PolicyParameter {
    PolicyParameter(name: name, kind: .path, fallback: nil)
  }

  /// What would be right, for messages.
  var expectation: String {
    switch kind {
    case .number(let range):
      "a number from \(PolicyValue.number(range.lowerBound).text) to \(PolicyValue.number(range.upperBound).text)"
    case .whole(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .path: "a path"
    }
  }

  /// Reads a value.
  func value(_ text: String) -> PolicyValue? {
    switch kind {
    case .number(let range):
      guard let number = Double(text), range.contains(number) else { return nil }
      return .number(number)
    case .whole(let range):
      guard let number = Int(text), range.contains(number) else { return nil }
      return .whole(number)
    case .path: return text.isEmpty ? nil : .path(text)
    }
  }
}

/// The value of a parameter.
public enum PolicyValue: Sendable, Hashable {
  /// A number.
  case number(Double)
  /// A whole number.
  case whole(Int)
  /// A path.
  case path(String)

  /// As recipes spell it: `0.9`, `32`.
  public var text: String {
    switch self {
    case .number(let number):
      if number == number.rounded(), abs(number) < 1e15 { "\(Int(number))" } else { "\(number)" }
    case .whole(let number): "\(number)"
    case .path(let path): path
    }
  }

  /// The number; policies know the kinds of their parameters.
  var double: Double {
    switch self {
    case .number(let number): number
    case .whole(let number): Double(number)
    case .path: .nan
    }
  }

  /// The whole number.
  var int: Int {
    if case .whole(let number) = self { return number }
    return 0
  }
}
