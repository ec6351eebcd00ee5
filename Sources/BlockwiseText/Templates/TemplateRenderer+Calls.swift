extension TemplateRenderer {
  /// Orders a call's arguments by the names of its parameters; nil where one is not given.
  func bind(
    _ arguments: TemplateCallValues, _ parameters: [String], _ callee: String
  ) throws(TemplateError) -> [TemplateValue?] {
    guard arguments.positional.count <= parameters.count else {
      throw fault(
        "\(callee) takes \(parameters.isEmpty ? "no" : "at most \(parameters.count)") arguments, "
          + "\(arguments.positional.count) are given")
    }
    var values: [TemplateValue?] = arguments.positional
    values += [TemplateValue?](repeating: nil, count: parameters.count - values.count)
    for (name, value) in arguments.named {
      guard let index = parameters.firstIndex(of: name) else {
        throw fault("\(callee) has no argument '\(name)'")
      }
      guard values[index] == nil else { throw fault("\(callee) is given '\(name)' twice") }
      values[index] = value
    }
    return values
  }

  /// A text that has to be one.
  func string(_ value: TemplateValue?, _ what: String) throws(TemplateError) -> String {
    guard case .string(let string)? = value else {
      throw fault("\(what) is \(value?.kindName ?? "missing"); expected a string")
    }
    return string
  }

  /// A whole number that has to be one.
  func integer(_ value: TemplateValue?, _ what: String) throws(TemplateError) -> Int {
    guard case .integer(let integer)? = value?.number else {
      throw fault("\(what) is \(value?.kindName ?? "missing"); expected a whole number")
    }
    return integer
  }

  func call(
    _ value: TemplateValue, _ arguments: TemplateCallValues, caller: TemplateClosure?
  ) throws(TemplateError) -> TemplateValue {
    switch value {
    case .callable(let callable):
      switch callable {
      case .global(let global): return try call(global, arguments)
      case .macro(let closure): return .string(try call(closure, arguments, caller: caller))
      case .method(let name, let receiver): return try call(method: name, of: receiver, arguments)
      case .loop(let state): return .string(try recurse(state, arguments))
      case .loopMethod(let name, let state): return try call(loopMethod: name, state, arguments)
      case .joiner(let joiner):
        _ = try bind(arguments, [], "a joiner")
        defer { joiner.isUsed = true }
        return .string(joiner.isUsed ? joiner.separator : "")
      case .cycler(let cycler):
        _ = try bind(arguments, [], "a cycler")
        defer { cycler.index = (cycler.index + 1) % cycler.items.count }
        return cycler.items[cycler.index]
      }
    case .loop(let state): return .string(try recurse(state, arguments))
    case .undefined(let what): throw fault("\(what) is not defined and cannot be called")
    default: throw fault("\(value.kindName) cannot be called")
    }
  }

  // MARK: Macros and loops

  private func call(
    _ closure: TemplateClosure, _ arguments: TemplateCallValues, caller: TemplateClosure?
  ) throws(TemplateError) -> String {
    let macro = closure.macro
    let callee = "the macro '\(macro.name)'"
    var positional = arguments.positional
    var variables: [String: TemplateValue] = [:]
    if macro.takesMorePositional {
      variables["varargs"] = try list(Array(positional.dropFirst(macro.parameters.count)), .tuple)
      positional = Array(positional.prefix(macro.parameters.count))
    }
    var named = TemplateCallValues()
    var more = TemplateDictionary()
    for argument in arguments.named {
      if macro.takesMoreNamed, !macro.parameters.contains(where: { $0.name == argument.name }) {
        guard argument.value.isData else {
          throw fault("\(argument.value.kindName) cannot be a value of a dictionary")
        }
        more[argument.name] = argument.value
      } else {
        named.named.append(argument)
      }
    }
    named.positional = positional
    if macro.takesMoreNamed { variables["kwargs"] = .dictionary(more) }
    if let caller { variables["caller"] = .callable(.macro(caller)) }
    let values = try bind(named, macro.parameters.map(\.name), callee)

    // A macro sees the variables where it was written, not those where it is called.
    let outer = scopes
    scopes = closure.scopes + [variables]
    defer { scopes = outer }
    for (parameter, value) in zip(macro.parameters, values) {
      var value = value
      if value == nil, let fallback = parameter.fallback { value = try evaluate(fallback) }
      scopes[scopes.count - 1][parameter.name] = value ?? .undefined("'\(parameter.name)'")
    }
    return try capture { () throws(TemplateError) in _ = try execute(macro.body) }
  }

  private func recurse(
    _ state: TemplateLoopState, _ arguments: TemplateCallValues
  ) throws(TemplateError) -> String {
    guard state.node.isRecursive else { throw fault("the loop cannot be called, it is not 'recursive'") }
    let values = try bind(arguments, ["iterable"], "the loop")
    guard let items = values[0] else { throw fault("the loop is called without anything to go through") }
    return try nest { () throws(TemplateError) in
      try capture { () throws(TemplateError) in
        _ = try run(state.node, over: items, recursion: state.recursion + 1)
      }
    }
  }

  private func call(
    loopMethod name: String, _ state: TemplateLoopState, _ arguments: TemplateCallValues
  ) throws(TemplateError) -> TemplateValue {
    guard arguments.named.isEmpty else { throw fault("'loop.\(name)' takes no named arguments") }
    let values = arguments.positional
    if name == "cycle" {
      guard !values.isEmpty else { throw fault("'loop.cycle' is given nothing to choose from") }
      return values[state.index % values.count]
    }
    if let value = values.first(where: { !$0.isData }) {
      throw fault("'loop.changed' cannot compare \(value.kindName)")
    }
    var isEqual = state.lastChanged?.count == values.count
    for (last, value) in zip(state.lastChanged ?? [], values) where isEqual {
      isEqual = try equal(last, value)
    }
    state.lastChanged = values
    return .bool(!isEqual)
  }

  // MARK: Functions

  private func call(
    _ global: TemplateCallable.Global, _ arguments: TemplateCallValues
  ) throws(TemplateError) -> TemplateValue {
    let callee = "'\(global.rawValue)'"
    switch global {
    case .raiseException:
      let message = try bind(arguments, ["message"], callee)[0]
      throw .refused(
        template: template,
        message: try message.map { (value) throws(TemplateError) in
          try text(of: value)
        } ?? "")
    case .strftimeNow:
      let format = try string(try bind(arguments, ["format"], callee)[0], "the format of a time")
      try charge(text: format.utf8.count * 8)
      var unknown = ""
      guard let text = clock.text(format, unknown: &unknown) else {
        throw .unsupported(template: template, line: line, construct: "'\(unknown)' in a format of a time")
      }
      return .string(text)
    case .namespace:
      let namespace = TemplateNamespace()
      for (name, value) in try members(arguments, callee) { try set(value, name, in: namespace) }
      return .namespace(namespace)
    case .dictionary:
      var dictionary = TemplateDictionary()
      for (name, value) in try members(arguments, callee) {
        guard value.isData else { throw fault("\(value.kindName) cannot be a value of a dictionary") }
        dictionary[name] = value
      }
      try checkDepth(.dictionary(dictionary))
      return .dictionary(dictionary)
    case .range: return try range(arguments)
    case .joiner:
      let separator = try bind(arguments, ["sep"], callee)[0]
      return .callable(
        .joiner(
          TemplateJoiner(
            separator: try separator.map { (value) throws(TemplateError) in
              try text(of: value)
            } ?? ", ")))
    case .cycler:
      guard arguments.named.isEmpty, !arguments.positional.isEmpty else {
        throw fault("'cycler' takes values to go through")
      }
      if let value = arguments.positional.first(where: { !$0.isData }) {
        throw fault("\(value.kindName) cannot be a value of a cycler")
      }
      return .callable(.cycler(TemplateCycler(items: arguments.positional)))
    }
  }

  /// Members given as a dictionary and by name.
  private func members(
    _ arguments: TemplateCallValues, _ callee: String
  ) throws(TemplateError) -> [(name: String, value: TemplateValue)] {
    var members: [(name: String, value: TemplateValue)] = []
    for value in arguments.positional {
      guard case .dictionary(let dictionary) = value, arguments.positional.count == 1 else {
        throw fault("\(callee) takes one dictionary and arguments with names")
      }
      try charge(dictionary.count)
      members += zip(dictionary.keys, dictionary.values).map { (name: $0, value: $1) }
    }
    return members + arguments.named
  }

  private func range(_ arguments: TemplateCallValues) throws(TemplateError) -> TemplateValue {
    guard arguments.named.isEmpty, (1...3).contains(arguments.positional.count) else {
      throw fault("'range' takes one to three whole numbers")
    }
    var numbers: [Int] = []
    for value in arguments.positional { numbers.append(try integer(value, "an argument of 'range'")) }
    let start = numbers.count > 1 ? numbers[0] : 0
    let end = numbers.count > 1 ? numbers[1] : numbers[0]
    let step = numbers.count > 2 ? numbers[2] : 1
    guard step != 0 else { throw fault("the step of 'range' is 0") }
    var items: [TemplateValue] = []
    var number = start
    while step > 0 ? number < end : number > end {
      guard items.count < TemplateLimits.rangeLength else {
        throw .limit(
          template: template, line: line, exceeded: "\(TemplateLimits.rangeLength) numbers of 'range'")
      }
      items.append(.integer(number))
      let (next, overflow) = number.addingReportingOverflow(step)
      if overflow { break }
      number = next
    }
    return try list(items)
  }
}
