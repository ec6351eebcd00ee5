/// Runs a template once: statements here, expressions and what they need in the extensions.
final class TemplateRenderer {
  enum Flow {
    case on
    case breakLoop
    case continueLoop
  }

  let template: String
  let limits: TemplateLimits
  let clock: TemplateClock
  /// Variables of the whole template.
  var root: [String: TemplateValue]
  /// Variables of loops, macros and blocks, the innermost last.
  var scopes: [[String: TemplateValue]] = []
  /// The text so far, or of the macro or block that is being captured.
  var output = ""
  /// The line that is being evaluated.
  var line = 1
  private var stepCount = 0
  private var depth = 0

  init(
    template: String, variables: [String: TemplateValue], limits: TemplateLimits, clock: TemplateClock
  ) {
    self.template = template
    root = variables
    self.limits = limits
    self.clock = clock
  }

  // MARK: Budgets and errors

  func charge(_ count: Int = 1) throws(TemplateError) {
    let (sum, overflow) = stepCount.addingReportingOverflow(count)
    guard !overflow, sum <= limits.stepCount else {
      throw .limit(template: template, line: line, exceeded: "\(limits.stepCount) steps")
    }
    stepCount = sum
  }

  /// Pays for text of that many bytes.
  func charge(text byteCount: Int) throws(TemplateError) {
    guard byteCount <= limits.textByteCount else {
      throw .limit(template: template, line: line, exceeded: "\(limits.textByteCount) bytes of text")
    }
    try charge(1 + byteCount / 64)
  }

  func nest<Result>(_ body: () throws(TemplateError) -> Result) throws(TemplateError) -> Result {
    guard depth < TemplateLimits.depth else {
      throw .limit(
        template: template, line: line, exceeded: "\(TemplateLimits.depth) levels of nested evaluation")
    }
    depth += 1
    defer { depth -= 1 }
    try charge()
    return try body()
  }

  func fault(_ reason: String) -> TemplateError {
    .evaluation(template: template, line: line, reason: reason)
  }

  // MARK: Statements

  func write(_ text: String) throws(TemplateError) {
    try charge(text: text.utf8.count)
    try charge(text: output.utf8.count + text.utf8.count > limits.textByteCount ? .max : 0)
    output += text
  }

  /// The text that statements write.
  func capture(_ body: () throws(TemplateError) -> Void) throws(TemplateError) -> String {
    let outer = output
    output = ""
    defer { output = outer }
    try body()
    return output
  }

  func execute(_ statements: [TemplateStatement]) throws(TemplateError) -> Flow {
    try nest { () throws(TemplateError) in
      for statement in statements {
        let flow = try execute(statement)
        if flow != .on { return flow }
      }
      return .on
    }
  }

  /// Runs statements whose variables end with them.
  private func executeInScope(
    _ statements: [TemplateStatement], _ variables: [String: TemplateValue] = [:]
  ) throws(TemplateError) -> Flow {
    scopes.append(variables)
    defer { scopes.removeLast() }
    return try execute(statements)
  }

  private func execute(_ statement: TemplateStatement) throws(TemplateError) -> Flow {
    line = statement.line
    try charge()
    switch statement.kind {
    case .text(let text): try write(text)
    case .output(let expression): try write(text(of: try evaluate(expression)))
    case .conditional(let branches, let otherwise):
      for (condition, body) in branches where try evaluate(condition).isTrue { return try execute(body) }
      return try execute(otherwise)
    case .loop(let loop):
      return try run(loop, over: try evaluate(loop.sequence), recursion: 0)
    case .assignment(let target, let expression): try assign(try evaluate(expression), to: target)
    case .capture(let target, let filters, let body):
      // `break` and `continue` in the body reach the loop around, as elsewhere.
      var flow = Flow.on
      let text = try capture { () throws(TemplateError) in flow = try executeInScope(body) }
      if flow != .on { return flow }
      try assign(try apply(filters, to: .string(text)), to: target)
    case .macro(let macro):
      try assign(.callable(.macro(TemplateClosure(macro: macro, scopes: scopes))), to: .name(macro.name))
    case .call(let call, let caller):
      let closure = TemplateClosure(macro: caller, scopes: scopes)
      try write(text(of: try evaluate(call, caller: closure)))
    case .filter(let filters, let body):
      var flow = Flow.on
      let text = try capture { () throws(TemplateError) in flow = try executeInScope(body) }
      if flow != .on { return flow }
      try write(self.text(of: try apply(filters, to: .string(text))))
    case .with(let values, let body):
      var variables: [String: TemplateValue] = [:]
      for (target, value) in values { try bind(try evaluate(value), to: target, in: &variables) }
      return try executeInScope(body, variables)
    case .scope(let body): return try executeInScope(body)
    case .breakLoop: return .breakLoop
    case .continueLoop: return .continueLoop
    }
    return .on
  }

  /// A loop over the elements of a value; `recursion` counts calls of `loop` inside of itself.
  func run(
    _ loop: TemplateLoop, over sequence: TemplateValue, recursion: Int
  ) throws(TemplateError) -> Flow {
    var items = try elements(of: sequence)
    if let condition = loop.condition {
      var kept: [TemplateValue] = []
      for item in items {
        var variables: [String: TemplateValue] = [:]
        try bind(item, to: loop.target, in: &variables)
        scopes.append(variables)
        defer { scopes.removeLast() }
        if try evaluate(condition).isTrue { kept.append(item) }
      }
      items = kept
    }
    if items.isEmpty { return try executeInScope(loop.otherwise) }
    let state = TemplateLoopState(node: loop, items: items, recursion: recursion)
    for (index, item) in items.enumerated() {
      state.index = index
      var variables: [String: TemplateValue] = ["loop": .loop(state)]
      try bind(item, to: loop.target, in: &variables)
      if try executeInScope(loop.body, variables) == .breakLoop { break }
    }
    return .on
  }

  // MARK: Variables

  func value(named name: String) -> TemplateValue {
    for scope in scopes.reversed() { if let value = scope[name] { return value } }
    if let value = root[name] { return value }
    if let global = TemplateCallable.Global(rawValue: name) { return .callable(.global(global)) }
    return .undefined("'\(name)'")
  }

  /// Puts a changed list or dictionary back where it was found.
  func replace(variable name: String, by value: TemplateValue) {
    for index in scopes.indices.reversed() where scopes[index][name] != nil {
      scopes[index][name] = value
      return
    }
    root[name] = value
  }

  private func assign(_ value: TemplateValue, to target: TemplateTarget) throws(TemplateError) {
    switch target {
    case .name(let name):
      if scopes.isEmpty { root[name] = value } else { scopes[scopes.count - 1][name] = value }
    case .member(let name, let attribute):
      guard case .namespace(let namespace) = self.value(named: name) else {
        throw fault(
          "'\(name)' is \(self.value(named: name).kindName), and only a namespace's members can be set")
      }
      try set(value, attribute, in: namespace)
    case .tuple(let targets):
      for (target, value) in zip(targets, try unpack(value, targets.count)) { try assign(value, to: target) }
    }
  }

  func set(_ value: TemplateValue, _ name: String, in namespace: TemplateNamespace) throws(TemplateError) {
    guard value.isData else { throw fault("\(value.kindName) cannot be a member of a namespace") }
    try checkDepth(value)
    namespace.members[name] = value
  }

  /// Binds a loop's or block's names.
  private func bind(
    _ value: TemplateValue, to target: TemplateTarget, in variables: inout [String: TemplateValue]
  ) throws(TemplateError) {
    switch target {
    case .name(let name): variables[name] = value
    case .member(let name, _): throw fault("'\(name)' cannot be set here")
    case .tuple(let targets):
      for (target, value) in zip(targets, try unpack(value, targets.count)) {
        try bind(value, to: target, in: &variables)
      }
    }
  }

  private func unpack(_ value: TemplateValue, _ count: Int) throws(TemplateError) -> [TemplateValue] {
    let items = try elements(of: value)
    guard items.count == count else {
      throw fault("\(value.kindName) of \(items.count) cannot be taken apart into \(count) names")
    }
    return items
  }

  // MARK: Lists

  /// What a loop over the value sees.
  func elements(of value: TemplateValue) throws(TemplateError) -> [TemplateValue] {
    switch value {
    case .undefined: return []
    case .list(let list):
      try charge(list.items.count)
      return list.items
    case .dictionary(let dictionary):
      try charge(dictionary.count)
      return dictionary.keys.map { .string($0) }
    case .string(let string):
      try charge(string.utf8.count * 4)
      return string.unicodeScalars.map { .string(String($0)) }
    default: throw fault("\(value.kindName) cannot be iterated")
    }
  }

  func list(
    _ items: [TemplateValue], _ kind: TemplateList.Kind = .list
  ) throws(TemplateError) -> TemplateValue {
    try charge(items.count * 4)
    if let item = items.first(where: { !$0.isData }) {
      throw fault("\(item.kindName) cannot be an element of a list")
    }
    let value = TemplateValue.list(TemplateList(items, kind: kind))
    try checkDepth(value)
    return value
  }

  func checkDepth(_ value: TemplateValue) throws(TemplateError) {
    guard value.depth <= TemplateLimits.valueDepth else {
      throw .limit(
        template: template, line: line, exceeded: "\(TemplateLimits.valueDepth) levels of nested values")
    }
  }
}
