/// An expression of a template and the line it starts in.
///
/// Chains (`a + b + c`, `a.b.c|d`) are flat, so that only brackets and tags nest.
final class TemplateExpression: Sendable {
  enum Kind: Sendable {
    case literal(TemplateLiteral)
    case name(String)
    case list([TemplateExpression])
    case tuple([TemplateExpression])
    case dictionary([(key: TemplateExpression, value: TemplateExpression)])
    case not(TemplateExpression)
    case sign(isNegative: Bool, TemplateExpression)
    case and([TemplateExpression])
    case or([TemplateExpression])
    case concatenation([TemplateExpression])
    case arithmetic(TemplateExpression, [(operation: TemplateOperation, operand: TemplateExpression)])
    case comparison(TemplateExpression, [(relation: TemplateRelation, operand: TemplateExpression)])
    case conditional(condition: TemplateExpression, then: TemplateExpression, otherwise: TemplateExpression?)
    case chain(TemplateExpression, [TemplateStep])
  }

  let kind: Kind
  let line: Int

  init(_ kind: Kind, line: Int) {
    self.kind = kind
    self.line = line
  }
}

/// A value written in a template.
enum TemplateLiteral: Sendable {
  case none
  case bool(Bool)
  case integer(Int)
  case float(Double)
  case string(String)
}

/// What stands between two operands of a sum or product.
enum TemplateOperation: String, Sendable {
  case add = "+"
  case subtract = "-"
  case multiply = "*"
  case divide = "/"
  case floorDivide = "//"
  case remainder = "%"
  case power = "**"
}

/// What stands between two operands of a comparison.
enum TemplateRelation: String, Sendable {
  case equal = "=="
  case notEqual = "!="
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="
  case isIn = "in"
  case isNotIn = "not in"
}

/// One step behind a value: a member, a call, a filter, a test.
struct TemplateStep: Sendable {
  enum Kind: Sendable {
    case attribute(String)
    case item(TemplateExpression)
    case slice(from: TemplateExpression?, to: TemplateExpression?, by: TemplateExpression?)
    case call(TemplateArguments)
    case filter(TemplateFilter, TemplateArguments)
    case test(TemplateTest, TemplateArguments, isNegated: Bool)
  }

  let kind: Kind
  let line: Int
}

/// What stands between the brackets of a call.
struct TemplateArguments: Sendable {
  var positional: [TemplateExpression] = []
  var named: [(name: String, value: TemplateExpression)] = []
}

/// Where a value is put.
enum TemplateTarget: Sendable {
  case name(String)
  case member(namespace: String, attribute: String)
  indirect case tuple([TemplateTarget])
}

/// A tag or a stretch of text.
struct TemplateStatement: Sendable {
  indirect enum Kind: Sendable {
    case text(String)
    case output(TemplateExpression)
    case conditional(
      [(condition: TemplateExpression, body: [TemplateStatement])], otherwise: [TemplateStatement])
    case loop(TemplateLoop)
    case assignment(TemplateTarget, TemplateExpression)
    case capture(TemplateTarget, filters: [TemplateStep], body: [TemplateStatement])
    case macro(TemplateMacro)
    case call(TemplateExpression, caller: TemplateMacro)
    case filter([TemplateStep], body: [TemplateStatement])
    case with([(target: TemplateTarget, value: TemplateExpression)], body: [TemplateStatement])
    case scope([TemplateStatement])
    case breakLoop
    case continueLoop
  }

  let kind: Kind
  let line: Int
}

/// `{% for %}`
final class TemplateLoop: Sendable {
  let target: TemplateTarget
  let sequence: TemplateExpression
  let condition: TemplateExpression?
  let isRecursive: Bool
  let body: [TemplateStatement]
  let otherwise: [TemplateStatement]

  init(
    target: TemplateTarget, sequence: TemplateExpression, condition: TemplateExpression?, isRecursive: Bool,
    body: [TemplateStatement], otherwise: [TemplateStatement]
  ) {
    self.target = target
    self.sequence = sequence
    self.condition = condition
    self.isRecursive = isRecursive
    self.body = body
    self.otherwise = otherwise
  }
}

/// `{% macro %}`, and the body of `{% call %}`.
final class TemplateMacro: Sendable {
  let name: String
  let parameters: [(name: String, fallback: TemplateExpression?)]
  /// Whether the body asks for positional arguments beyond the parameters.
  let takesMorePositional: Bool
  /// Whether the body asks for named arguments beyond the parameters.
  let takesMoreNamed: Bool
  let body: [TemplateStatement]

  init(
    name: String, parameters: [(name: String, fallback: TemplateExpression?)], names: Set<String>,
    body: [TemplateStatement]
  ) {
    self.name = name
    self.parameters = parameters
    takesMorePositional = names.contains("varargs")
    takesMoreNamed = names.contains("kwargs")
    self.body = body
  }
}
