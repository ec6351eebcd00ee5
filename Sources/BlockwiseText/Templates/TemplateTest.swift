/// The tests behind `is`.
enum TemplateTest: String, CaseIterable, Sendable {
  case boolean, callable, defined, divisibleby, even, float, integer, iterable, lower, mapping, none, number,
    odd, sameas, sequence, string, undefined, upper
  case isTrue = "true"
  case isFalse = "false"
  case isIn = "in"
  case equal = "eq"
  case notEqual = "ne"
  case less = "lt"
  case lessOrEqual = "le"
  case greater = "gt"
  case greaterOrEqual = "ge"

  private static let otherNames: [String: TemplateTest] = [
    "equalto": .equal, "==": .equal, "!=": .notEqual, "lessthan": .less, "<": .less, "<=": .lessOrEqual,
    "greaterthan": .greater, ">": .greater, ">=": .greaterOrEqual,
  ]

  init?(name: String) {
    guard let test = TemplateTest(rawValue: name) ?? Self.otherNames[name] else { return nil }
    self = test
  }

  /// How many arguments it takes.
  var argumentCount: Int {
    switch self {
    case .divisibleby, .sameas, .isIn, .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual: 1
    default: 0
    }
  }
}

extension TemplateRenderer {
  func passes(
    _ test: TemplateTest, _ value: TemplateValue, _ arguments: TemplateCallValues
  ) throws(TemplateError) -> Bool {
    guard arguments.named.isEmpty, arguments.positional.count == test.argumentCount else {
      throw fault(
        "the test '\(test.rawValue)' takes \(test.argumentCount == 0 ? "no argument" : "one argument")")
    }
    let other = arguments.positional.first ?? .none
    switch test {
    case .defined: if case .undefined = value { return false } else { return true }
    case .undefined: if case .undefined = value { return true } else { return false }
    case .none: if case .none = value { return true } else { return false }
    case .boolean: if case .bool = value { return true } else { return false }
    case .isTrue: if case .bool(true) = value { return true } else { return false }
    case .isFalse: if case .bool(false) = value { return true } else { return false }
    case .string: if case .string = value { return true } else { return false }
    case .mapping: if case .dictionary = value { return true } else { return false }
    case .callable:
      if case .callable = value { return true } else { return false }
    case .number: return value.number != nil
    case .integer: if case .integer = value { return true } else { return false }
    case .float: if case .float = value { return true } else { return false }
    case .iterable:
      switch value {
      case .string, .list, .dictionary, .undefined: return true
      default: return false
      }
    case .sequence:
      switch value {
      case .string, .dictionary, .undefined: return true
      case .list(let list): return list.kind == .list || list.kind == .tuple
      default: return false
      }
    case .even: return try integer(value, "what 'even' looks at") % 2 == 0
    case .odd: return try integer(value, "what 'odd' looks at") % 2 != 0
    case .divisibleby:
      let divisor = try integer(other, "the divisor of 'divisibleby'")
      guard divisor != 0 else { throw fault("a division by 0") }
      return try integer(value, "what 'divisibleby' looks at").remainderReportingOverflow(dividingBy: divisor)
        .partialValue == 0
    case .lower, .upper:
      let text = try text(of: value)
      try charge(text: text.utf8.count)
      return try call(
        method: test == .lower ? "islower" : "isupper", of: .string(text), TemplateCallValues()
      ).isTrue
    case .sameas:
      switch (value, other) {
      case (.bool, .bool), (.none, .none), (.integer, .integer), (.string, .string), (.namespace, .namespace):
        return try equal(value, other)
      default: return false
      }
    case .isIn: return try contains(other, value)
    case .equal: return try equal(value, other)
    case .notEqual: return !(try equal(value, other))
    case .less: return try precedes(value, other, orEqual: false)
    case .lessOrEqual: return try precedes(value, other, orEqual: true)
    case .greater: return try precedes(other, value, orEqual: false)
    case .greaterOrEqual: return try precedes(other, value, orEqual: true)
    }
  }
}
