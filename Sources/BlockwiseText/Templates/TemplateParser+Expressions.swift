extension TemplateParser {
  /// One expression, or several separated by commas, which make a tuple.
  mutating func tuple(
    allowsConditional: Bool = true, endsAt word: String? = nil, isInBrackets: Bool = false
  ) throws(TemplateError) -> TemplateExpression {
    let line = current.line
    var items: [TemplateExpression] = []
    var isTuple = isInBrackets && isSymbol(")")
    while !isTupleEnd(word) {
      items.append(try allowsConditional ? expression() : disjunction())
      guard skip(symbol: ",") else { break }
      isTuple = true
    }
    if isTuple { return TemplateExpression(.tuple(items), line: line) }
    guard let item = items.first else { throw fault("an expression") }
    return item
  }

  private func isTupleEnd(_ word: String?) -> Bool {
    switch current.kind {
    case .outputEnd, .tagEnd, .end: true
    case .symbol(let symbol): symbol == ")"
    case .name(let name): name == word
    default: false
    }
  }

  /// `a if b else c` and everything below it.
  mutating func expression() throws(TemplateError) -> TemplateExpression {
    try nest { (parser) throws(TemplateError) in
      let line = parser.current.line
      let value = try parser.disjunction()
      guard parser.skip(name: "if") else { return value }
      let condition = try parser.disjunction()
      let otherwise = parser.skip(name: "else") ? try parser.expression() : nil
      return TemplateExpression(
        .conditional(condition: condition, then: value, otherwise: otherwise), line: line)
    }
  }

  mutating func disjunction() throws(TemplateError) -> TemplateExpression {
    let line = current.line
    var operands = [try conjunction()]
    while skip(name: "or") { operands.append(try conjunction()) }
    return operands.count == 1 ? operands[0] : TemplateExpression(.or(operands), line: line)
  }

  private mutating func conjunction() throws(TemplateError) -> TemplateExpression {
    let line = current.line
    var operands = [try negation()]
    while skip(name: "and") { operands.append(try negation()) }
    return operands.count == 1 ? operands[0] : TemplateExpression(.and(operands), line: line)
  }

  private mutating func negation() throws(TemplateError) -> TemplateExpression {
    let line = current.line
    // Flat, so that a row of negations is no nesting.
    var isNegated = false
    var hasNot = false
    while skip(name: "not") {
      isNegated.toggle()
      hasNot = true
    }
    let operand = try comparison()
    if !hasNot { return operand }
    let once = TemplateExpression(.not(operand), line: line)
    return isNegated ? once : TemplateExpression(.not(once), line: line)
  }

  private mutating func comparison() throws(TemplateError) -> TemplateExpression {
    let line = current.line
    let first = try sum()
    var rest: [(relation: TemplateRelation, operand: TemplateExpression)] = []
    while true {
      if case .symbol(let symbol) = current.kind, let relation = TemplateRelation(rawValue: symbol) {
        advance()
        rest.append((relation, try sum()))
      } else if skip(name: "in") {
        rest.append((.isIn, try sum()))
      } else if isName("not"), isName("in", ahead: 1) {
        advance()
        advance()
        rest.append((.isNotIn, try sum()))
      } else {
        return rest.isEmpty ? first : TemplateExpression(.comparison(first, rest), line: line)
      }
    }
  }

  private mutating func sum() throws(TemplateError) -> TemplateExpression {
    let line = current.line
    let first = try concatenation()
    var rest: [(operation: TemplateOperation, operand: TemplateExpression)] = []
    while let operation = operation("+", "-") { rest.append((operation, try concatenation())) }
    return rest.isEmpty ? first : TemplateExpression(.arithmetic(first, rest), line: line)
  }

  private mutating func concatenation() throws(TemplateError) -> TemplateExpression {
    let line = current.line
    var operands = [try product()]
    while skip(symbol: "~") { operands.append(try product()) }
    return operands.count == 1 ? operands[0] : TemplateExpression(.concatenation(operands), line: line)
  }

  private mutating func product() throws(TemplateError) -> TemplateExpression {
    let line = current.line
    let first = try power()
    var rest: [(operation: TemplateOperation, operand: TemplateExpression)] = []
    while let operation = operation("*", "/", "//", "%") { rest.append((operation, try power())) }
    return rest.isEmpty ? first : TemplateExpression(.arithmetic(first, rest), line: line)
  }

  private mutating func power() throws(TemplateError) -> TemplateExpression {
    let line = current.line
    let first = try signed(takesFilters: true)
    var rest: [(operation: TemplateOperation, operand: TemplateExpression)] = []
    while let operation = operation("**") { rest.append((operation, try signed(takesFilters: true))) }
    return rest.isEmpty ? first : TemplateExpression(.arithmetic(first, rest), line: line)
  }

  private mutating func operation(_ symbols: String...) -> TemplateOperation? {
    guard case .symbol(let symbol) = current.kind, symbols.contains(symbol) else { return nil }
    advance()
    return TemplateOperation(rawValue: symbol)
  }

  /// A value with its sign, members, calls and filters. A filter behind a sign applies to the signed value.
  private mutating func signed(takesFilters: Bool) throws(TemplateError) -> TemplateExpression {
    let line = current.line
    var value: TemplateExpression
    if let sign = operation("-", "+") {
      let operand = try nest { (parser) throws(TemplateError) in try parser.signed(takesFilters: false) }
      value = TemplateExpression(.sign(isNegative: sign == .subtract, operand), line: line)
    } else {
      value = try primary()
    }
    let steps = try steps(takesFilters: takesFilters)
    if !steps.isEmpty { value = TemplateExpression(.chain(value, steps), line: line) }
    return value
  }

  private mutating func primary() throws(TemplateError) -> TemplateExpression {
    let line = current.line
    switch current.kind {
    case .name(let name):
      advance()
      switch name {
      case "true", "True": return TemplateExpression(.literal(.bool(true)), line: line)
      case "false", "False": return TemplateExpression(.literal(.bool(false)), line: line)
      case "none", "None": return TemplateExpression(.literal(.none), line: line)
      default:
        names.insert(name)
        return TemplateExpression(.name(name), line: line)
      }
    case .string(var text):
      advance()
      // Strings side by side are one.
      while case .string(let next) = current.kind {
        text += next
        advance()
      }
      return TemplateExpression(.literal(.string(text)), line: line)
    case .integer(let number):
      advance()
      return TemplateExpression(.literal(.integer(number)), line: line)
    case .float(let number):
      advance()
      return TemplateExpression(.literal(.float(number)), line: line)
    case .symbol("("):
      advance()
      let inner = try tuple(isInBrackets: true)
      try expect(symbol: ")")
      return inner
    case .symbol("["):
      advance()
      var items: [TemplateExpression] = []
      while !isSymbol("]") {
        items.append(try expression())
        guard skip(symbol: ",") else { break }
      }
      try expect(symbol: "]")
      return TemplateExpression(.list(items), line: line)
    case .symbol("{"):
      advance()
      var items: [(key: TemplateExpression, value: TemplateExpression)] = []
      while !isSymbol("}") {
        let key = try expression()
        try expect(symbol: ":")
        items.append((key, try expression()))
        guard skip(symbol: ",") else { break }
      }
      try expect(symbol: "}")
      return TemplateExpression(.dictionary(items), line: line)
    default: throw fault("an expression")
    }
  }

  // MARK: What follows a value

  private mutating func steps(takesFilters: Bool) throws(TemplateError) -> [TemplateStep] {
    var steps: [TemplateStep] = []
    var isBehindFilter = false
    while true {
      let line = current.line
      if !isBehindFilter, isSymbol(".") || isSymbol("[") {
        steps.append(TemplateStep(kind: try member(), line: line))
      } else if isSymbol("(") {
        steps.append(TemplateStep(kind: .call(try arguments()), line: line))
      } else if takesFilters, isSymbol("|") {
        steps += try filterSteps(startsInline: false)
        isBehindFilter = true
      } else if takesFilters, skip(name: "is") {
        steps.append(TemplateStep(kind: try test(), line: line))
        isBehindFilter = true
      } else {
        return steps
      }
    }
  }

  private mutating func member() throws(TemplateError) -> TemplateStep.Kind {
    if skip(symbol: ".") {
      switch current.kind {
      case .name(let name):
        advance()
        return .attribute(name)
      case .integer(let index):
        let line = current.line
        advance()
        return .item(TemplateExpression(.literal(.integer(index)), line: line))
      default: throw fault("the name of a member")
      }
    }
    try expect(symbol: "[")
    var from: TemplateExpression?
    if !isSymbol(":") {
      let index = try expression()
      if skip(symbol: "]") { return .item(index) }
      from = index
    }
    try expect(symbol: ":")
    var to: TemplateExpression?
    var by: TemplateExpression?
    if !isSymbol(":"), !isSymbol("]") { to = try expression() }
    if skip(symbol: ":"), !isSymbol("]") { by = try expression() }
    try expect(symbol: "]")
    return .slice(from: from, to: to, by: by)
  }

  private mutating func arguments() throws(TemplateError) -> TemplateArguments {
    var arguments = TemplateArguments()
    try expect(symbol: "(")
    while !isSymbol(")") {
      if isSymbol("*") || isSymbol("**") {
        throw .unsupported(
          template: template, line: current.line,
          construct: "'\(isSymbol("*") ? "*" : "**")' before an argument")
      }
      if case .name(let name) = current.kind, isSymbol("=", ahead: 1) {
        advance()
        advance()
        guard !arguments.named.contains(where: { $0.name == name }) else {
          throw .syntax(
            template: template, line: current.line, found: "the argument '\(name)' twice",
            expected: "different names")
        }
        arguments.named.append((name, try expression()))
      } else {
        guard arguments.named.isEmpty else { throw fault("an argument with a name, as the one before") }
        arguments.positional.append(try expression())
      }
      guard skip(symbol: ",") else { break }
    }
    try expect(symbol: ")")
    return arguments
  }

  /// `|name(arguments)|…`; the first bar is missing in a filter tag.
  mutating func filterSteps(startsInline: Bool) throws(TemplateError) -> [TemplateStep] {
    var steps: [TemplateStep] = []
    while (startsInline && steps.isEmpty) || skip(symbol: "|") {
      let line = current.line
      let name = try identifier("the name of a filter")
      guard let filter = TemplateFilter(name: name) else {
        throw .unsupported(template: template, line: line, construct: "the filter '\(name)'")
      }
      let arguments = isSymbol("(") ? try arguments() : TemplateArguments()
      steps.append(TemplateStep(kind: .filter(filter, arguments), line: line))
    }
    return steps
  }

  private mutating func test() throws(TemplateError) -> TemplateStep.Kind {
    let isNegated = skip(name: "not")
    let line = current.line
    let name = try identifier("the name of a test")
    guard let test = TemplateTest(name: name) else {
      throw .unsupported(template: template, line: line, construct: "the test '\(name)'")
    }
    var arguments = TemplateArguments()
    if isSymbol("(") {
      arguments = try self.arguments()
    } else if startsBareArgument {
      let argument = try primary()
      let steps = try steps(takesFilters: false)
      arguments.positional = [
        steps.isEmpty ? argument : TemplateExpression(.chain(argument, steps), line: line)
      ]
    }
    return .test(test, arguments, isNegated: isNegated)
  }

  /// Whether an argument without brackets follows a test's name: `is divisibleby 3`.
  private var startsBareArgument: Bool {
    switch current.kind {
    case .name(let name): !["else", "or", "and", "is", "if", "in", "not", "recursive"].contains(name)
    case .string, .integer, .float: true
    case .symbol(let symbol): symbol == "[" || symbol == "{"
    default: false
    }
  }
}
