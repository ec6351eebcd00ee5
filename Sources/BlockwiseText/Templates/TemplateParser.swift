/// Reads the tags of a template. Expressions are in `TemplateParser+Expressions.swift`.
struct TemplateParser {
  let template: String
  var tokens: [TemplateToken]
  var place = 0
  /// Brackets and tags that are open.
  var depth = 0
  /// Loops that are open in the same macro: `break` and `continue` need one.
  private var loopCount = 0
  /// Names that the text being read refers to.
  var names: Set<String> = []

  /// The deepest nesting of tags and brackets.
  static let depthLimit = 100

  init(_ tokens: [TemplateToken], template: String) {
    self.tokens = tokens
    self.template = template
  }

  /// The whole template.
  mutating func run() throws(TemplateError) -> [TemplateStatement] {
    let (body, end) = try statements(until: [], of: nil)
    // Without a word to stop at, only the end of the template ends the body.
    precondition(end.isEmpty)
    return body
  }

  // MARK: Tokens

  var current: TemplateToken { tokens[place] }

  /// Steps to the next token; the end stays where it is.
  @discardableResult
  mutating func advance() -> TemplateToken {
    let token = tokens[place]
    if place + 1 < tokens.count { place += 1 }
    return token
  }

  func isSymbol(_ symbol: String, ahead: Int = 0) -> Bool {
    place + ahead < tokens.count && tokens[place + ahead].kind == .symbol(symbol)
  }

  func isName(_ name: String, ahead: Int = 0) -> Bool {
    place + ahead < tokens.count && tokens[place + ahead].kind == .name(name)
  }

  mutating func skip(symbol: String) -> Bool {
    guard isSymbol(symbol) else { return false }
    advance()
    return true
  }

  mutating func skip(name: String) -> Bool {
    guard isName(name) else { return false }
    advance()
    return true
  }

  mutating func expect(symbol: String) throws(TemplateError) {
    guard skip(symbol: symbol) else { throw fault("'\(symbol)'") }
  }

  mutating func expect(name: String) throws(TemplateError) {
    guard skip(name: name) else { throw fault("'\(name)'") }
  }

  mutating func identifier(_ expected: String) throws(TemplateError) -> String {
    guard case .name(let name) = current.kind else { throw fault(expected) }
    advance()
    return name
  }

  func fault(_ expected: String) -> TemplateError {
    .syntax(template: template, line: current.line, found: current.summary, expected: expected)
  }

  mutating func nest<Result>(
    _ body: (inout TemplateParser) throws(TemplateError) -> Result
  ) throws(TemplateError) -> Result {
    guard depth < Self.depthLimit else {
      throw .limit(
        template: template, line: current.line,
        exceeded: "\(Self.depthLimit) levels of nested tags and brackets")
    }
    depth += 1
    defer { depth -= 1 }
    return try body(&self)
  }

  // MARK: Tags

  /// Statements up to a tag that begins with one of the words, which is consumed and returned.
  private mutating func statements(
    until ends: Set<String>, of opening: String?
  ) throws(TemplateError) -> (body: [TemplateStatement], end: String) {
    var body: [TemplateStatement] = []
    while true {
      let line = current.line
      switch current.kind {
      case .text(let text):
        advance()
        body.append(TemplateStatement(kind: .text(text), line: line))
      case .outputBegin:
        advance()
        let value = try tuple()
        guard case .outputEnd = current.kind else { throw fault("'}}'") }
        advance()
        body.append(TemplateStatement(kind: .output(value), line: line))
      case .tagBegin:
        advance()
        guard case .name(let word) = current.kind else { throw fault("the name of a tag") }
        if ends.contains(word) {
          advance()
          return (body, word)
        }
        body.append(try nest { (parser) throws(TemplateError) in try parser.tag(word, line) })
      case .end:
        guard let opening else { return (body, "") }
        throw fault("'\(ends.sorted().joined(separator: "' or '"))' of the '\(opening)' tag")
      default: throw fault("text or a tag")
      }
    }
  }

  /// The body of a tag: the end of its opening, statements, the word that ends them.
  private mutating func body(
    until ends: Set<String>, of opening: String
  ) throws(TemplateError) -> (body: [TemplateStatement], end: String) {
    _ = skip(symbol: ":")
    try endTag()
    return try statements(until: ends, of: opening)
  }

  /// The body of a tag that has one end.
  private mutating func wholeBody(of opening: String) throws(TemplateError) -> [TemplateStatement] {
    let body = try body(until: ["end" + opening], of: opening).body
    try endTag()
    return body
  }

  private mutating func endTag() throws(TemplateError) {
    guard case .tagEnd = current.kind else { throw fault("'%}'") }
    advance()
  }

  private mutating func tag(_ word: String, _ line: Int) throws(TemplateError) -> TemplateStatement {
    advance()
    return TemplateStatement(kind: try tagKind(word, line), line: line)
  }

  private mutating func tagKind(
    _ word: String, _ line: Int
  ) throws(TemplateError) -> TemplateStatement.Kind {
    switch word {
    case "if": return try conditional()
    case "for": return try loop()
    case "set": return try assignment()
    case "macro":
      let name = try identifier("the macro's name")
      return .macro(try macro(name) { (parser) throws(TemplateError) in try parser.wholeBody(of: "macro") })
    case "call": return try callBlock()
    case "filter":
      let filters = try filterSteps(startsInline: true)
      return .filter(filters, body: try wholeBody(of: "filter"))
    case "with": return try with()
    case "generation": return .scope(try wholeBody(of: "generation"))
    case "break", "continue":
      guard loopCount > 0 else {
        throw .syntax(
          template: template, line: line, found: "'\(word)' outside of a loop", expected: "a loop around it")
      }
      try endTag()
      return word == "break" ? .breakLoop : .continueLoop
    case "else", "elif", "endif", "endfor", "endset", "endmacro", "endcall", "endfilter", "endwith",
      "endgeneration":
      throw .syntax(
        template: template, line: line, found: "'\(word)'", expected: "a tag that it belongs to before it")
    default: throw .unsupported(template: template, line: line, construct: "the tag '\(word)'")
    }
  }

  private mutating func conditional() throws(TemplateError) -> TemplateStatement.Kind {
    var branches: [(condition: TemplateExpression, body: [TemplateStatement])] = []
    while true {
      let condition = try tuple(allowsConditional: false)
      let (body, end) = try body(until: ["elif", "else", "endif"], of: "if")
      branches.append((condition, body))
      if end == "elif" { continue }
      let otherwise = end == "else" ? try self.body(until: ["endif"], of: "if").body : []
      try endTag()
      return .conditional(branches, otherwise: otherwise)
    }
  }

  private mutating func loop() throws(TemplateError) -> TemplateStatement.Kind {
    let target = try target(allowsMembers: false)
    try expect(name: "in")
    let sequence = try tuple(allowsConditional: false, endsAt: "recursive")
    var condition: TemplateExpression?
    if skip(name: "if") { condition = try expression() }
    let isRecursive = skip(name: "recursive")
    loopCount += 1
    let (body, end) = try body(until: ["endfor", "else"], of: "for")
    loopCount -= 1
    let otherwise = end == "else" ? try self.body(until: ["endfor"], of: "for").body : []
    try endTag()
    return .loop(
      TemplateLoop(
        target: target, sequence: sequence, condition: condition, isRecursive: isRecursive, body: body,
        otherwise: otherwise))
  }

  private mutating func assignment() throws(TemplateError) -> TemplateStatement.Kind {
    let target = try target(allowsMembers: true)
    if skip(symbol: "=") {
      let value = try tuple()
      try endTag()
      return .assignment(target, value)
    }
    let filters = isSymbol("|") ? try filterSteps(startsInline: false) : []
    return .capture(target, filters: filters, body: try wholeBody(of: "set"))
  }

  private mutating func callBlock() throws(TemplateError) -> TemplateStatement.Kind {
    var parameters: [(name: String, fallback: TemplateExpression?)] = []
    if isSymbol("(") { parameters = try signature() }
    let call = try expression()
    guard case .chain(_, let steps) = call.kind, case .call = steps.last?.kind else {
      throw fault("the call of a macro")
    }
    let caller = try macro("caller", parameters: parameters) { (parser) throws(TemplateError) in
      try parser.wholeBody(of: "call")
    }
    return .call(call, caller: caller)
  }

  private mutating func with() throws(TemplateError) -> TemplateStatement.Kind {
    var values: [(target: TemplateTarget, value: TemplateExpression)] = []
    while current.kind != .tagEnd {
      if !values.isEmpty { try expect(symbol: ",") }
      let target = try target(allowsMembers: false)
      try expect(symbol: "=")
      values.append((target, try expression()))
    }
    return .with(values, body: try wholeBody(of: "with"))
  }

  // MARK: Macros and targets

  private mutating func macro(
    _ name: String, parameters: [(name: String, fallback: TemplateExpression?)]? = nil,
    _ readBody: (inout TemplateParser) throws(TemplateError) -> [TemplateStatement]
  ) throws(TemplateError) -> TemplateMacro {
    let parameters = if let parameters { parameters } else { try signature() }
    let outer = (names, loopCount)
    names = []
    loopCount = 0
    let body = try readBody(&self)
    let macro = TemplateMacro(name: name, parameters: parameters, names: names, body: body)
    names.formUnion(outer.0)
    loopCount = outer.1
    return macro
  }

  private mutating func signature() throws(TemplateError) -> [(name: String, fallback: TemplateExpression?)] {
    var parameters: [(name: String, fallback: TemplateExpression?)] = []
    try expect(symbol: "(")
    while !isSymbol(")") {
      if !parameters.isEmpty { try expect(symbol: ",") }
      let name = try identifier("a parameter's name")
      guard !parameters.contains(where: { $0.name == name }) else {
        throw .syntax(
          template: template, line: current.line, found: "the parameter '\(name)' twice",
          expected: "different names")
      }
      var fallback: TemplateExpression?
      if skip(symbol: "=") {
        fallback = try expression()
      } else if parameters.last?.fallback != nil {
        throw fault("a default value, as the parameter before has one")
      }
      parameters.append((name, fallback))
    }
    try expect(symbol: ")")
    return parameters
  }

  /// What a value is put into: a name, names in a row, or a namespace's member.
  private mutating func target(allowsMembers: Bool) throws(TemplateError) -> TemplateTarget {
    var targets: [TemplateTarget] = []
    var isTuple = false
    while true {
      targets.append(try singleTarget(allowsMembers: allowsMembers))
      guard skip(symbol: ",") else { break }
      isTuple = true
      guard case .name = current.kind, !isName("in") else {
        if isSymbol("(") { continue }
        break
      }
    }
    return isTuple ? .tuple(targets) : targets[0]
  }

  private mutating func singleTarget(allowsMembers: Bool) throws(TemplateError) -> TemplateTarget {
    if skip(symbol: "(") {
      let inner = try nest { (parser) throws(TemplateError) in
        try parser.target(allowsMembers: allowsMembers)
      }
      try expect(symbol: ")")
      return inner
    }
    let line = current.line
    let name = try identifier("a name")
    if allowsMembers, skip(symbol: ".") {
      names.insert(name)
      return .member(namespace: name, attribute: try identifier("the name of a member"))
    }
    guard !["true", "false", "none", "True", "False", "None", "loop"].contains(name) else {
      throw .syntax(
        template: template, line: line, found: "'\(name)'", expected: "a name that can be assigned to")
    }
    return .name(name)
  }
}
