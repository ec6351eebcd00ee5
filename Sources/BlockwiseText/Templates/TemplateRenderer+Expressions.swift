extension TemplateRenderer {
  func evaluate(
    _ expression: TemplateExpression, caller: TemplateClosure? = nil
  ) throws(TemplateError) -> TemplateValue {
    try nest { () throws(TemplateError) in
      line = expression.line
      switch expression.kind {
      case .literal(let literal): return TemplateValue(literal)
      case .name(let name): return value(named: name)
      case .list(let items): return try list(try values(items))
      case .tuple(let items): return try list(try values(items), .tuple)
      case .dictionary(let items): return try dictionary(items)
      case .not(let operand): return .bool(!(try evaluate(operand).isTrue))
      case .sign(let isNegative, let operand): return try signed(try evaluate(operand), isNegative)
      case .and(let operands):
        var value = TemplateValue.none
        for operand in operands {
          value = try evaluate(operand)
          if !value.isTrue { break }
        }
        return value
      case .or(let operands):
        var value = TemplateValue.none
        for operand in operands {
          value = try evaluate(operand)
          if value.isTrue { break }
        }
        return value
      case .concatenation(let operands):
        var text = ""
        for operand in operands {
          text += try self.text(of: try evaluate(operand))
          try charge(text: text.utf8.count)
        }
        return .string(text)
      case .arithmetic(let first, let rest):
        var value = try evaluate(first)
        for (operation, operand) in rest {
          let operand = try evaluate(operand)
          value = try calculate(operation, value, operand)
        }
        return value
      case .comparison(let first, let rest): return try compare(first, rest)
      case .conditional(let condition, let then, let otherwise):
        if try evaluate(condition).isTrue { return try evaluate(then) }
        return try otherwise.map { (other) throws(TemplateError) in try evaluate(other) }
          ?? .undefined("the value of an 'if' without 'else'")
      case .chain(let base, let steps): return try chain(base, steps, caller)
      }
    }
  }

  private func values(_ expressions: [TemplateExpression]) throws(TemplateError) -> [TemplateValue] {
    var values: [TemplateValue] = []
    for expression in expressions { values.append(try evaluate(expression)) }
    return values
  }

  private func dictionary(
    _ items: [(key: TemplateExpression, value: TemplateExpression)]
  ) throws(TemplateError) -> TemplateValue {
    var dictionary = TemplateDictionary()
    for (key, value) in items {
      let key = try evaluate(key)
      guard case .string(let name) = key else {
        throw fault("\(key.kindName) is a key of a dictionary; only strings can be")
      }
      let value = try evaluate(value)
      guard value.isData else { throw fault("\(value.kindName) cannot be a value of a dictionary") }
      dictionary[name] = value
    }
    try checkDepth(.dictionary(dictionary))
    return .dictionary(dictionary)
  }

  private func compare(
    _ first: TemplateExpression, _ rest: [(relation: TemplateRelation, operand: TemplateExpression)]
  ) throws(TemplateError) -> TemplateValue {
    var left = try evaluate(first)
    for (relation, operand) in rest {
      let right = try evaluate(operand)
      let holds: Bool
      switch relation {
      case .equal: holds = try equal(left, right)
      case .notEqual: holds = !(try equal(left, right))
      case .isIn: holds = try contains(right, left)
      case .isNotIn: holds = !(try contains(right, left))
      case .less: holds = try precedes(left, right, orEqual: false)
      case .lessOrEqual: holds = try precedes(left, right, orEqual: true)
      case .greater: holds = try precedes(right, left, orEqual: false)
      case .greaterOrEqual: holds = try precedes(right, left, orEqual: true)
      }
      if !holds { return .bool(false) }
      left = right
    }
    return .bool(true)
  }

  // MARK: Chains

  private func chain(
    _ base: TemplateExpression, _ steps: [TemplateStep], _ caller: TemplateClosure?
  ) throws(TemplateError) -> TemplateValue {
    var value = try evaluate(base)
    for (index, step) in steps.enumerated() {
      line = step.line
      try charge()
      switch step.kind {
      case .attribute(let name): value = try attribute(name, of: value)
      case .item(let key): value = try item(try evaluate(key), of: value)
      case .slice(let from, let to, let by):
        value = try slice(value, try bound(from), try bound(to), try bound(by))
      case .call(let arguments):
        let arguments = try self.arguments(arguments)
        let isLast = index == steps.count - 1
        if case .callable(.method(let name, let receiver)) = value, Self.changingMethods.contains(name) {
          value = try change(receiver, name, arguments, at: try place(base, steps[..<max(0, index - 1)]))
        } else {
          value = try call(value, arguments, caller: isLast ? caller : nil)
        }
      case .filter(let filter, let arguments):
        value = try apply(filter, to: value, try self.arguments(arguments))
      case .test(let test, let arguments, let isNegated):
        value = .bool(try passes(test, value, try self.arguments(arguments)) != isNegated)
      }
      line = step.line
    }
    return value
  }

  func apply(_ steps: [TemplateStep], to value: TemplateValue) throws(TemplateError) -> TemplateValue {
    var value = value
    for step in steps {
      line = step.line
      guard case .filter(let filter, let arguments) = step.kind else { continue }
      value = try apply(filter, to: value, try self.arguments(arguments))
    }
    return value
  }

  func arguments(_ arguments: TemplateArguments) throws(TemplateError) -> TemplateCallValues {
    var values = TemplateCallValues(positional: try self.values(arguments.positional))
    for (name, expression) in arguments.named { values.named.append((name, try evaluate(expression))) }
    return values
  }

  private func bound(_ expression: TemplateExpression?) throws(TemplateError) -> Int? {
    guard let expression else { return nil }
    let value = try evaluate(expression)
    switch value {
    case .none: return nil
    case .integer(let integer): return integer
    case .bool(let bool): return bool ? 1 : 0
    default: throw fault("\(value.kindName) is the bound of a slice; expected a whole number")
    }
  }

  /// Where the receiver of a method that changes it lies.
  private func place(
    _ base: TemplateExpression, _ steps: ArraySlice<TemplateStep>
  ) throws(TemplateError) -> TemplatePlace {
    if case .name(let name) = base.kind {
      if steps.isEmpty { return .variable(name) }
      if steps.count == 1, case .attribute(let member)? = steps.first?.kind,
        case .namespace(let namespace) = value(named: name)
      {
        return .member(member, namespace)
      }
    }
    throw .unsupported(
      template: template, line: line,
      construct: "changing a list or dictionary that is neither a variable nor a namespace's member")
  }

  // MARK: Members

  func attribute(_ name: String, of value: TemplateValue) throws(TemplateError) -> TemplateValue {
    switch value {
    case .undefined(let what): throw fault("\(what) is not defined, so it has no '\(name)'")
    case .dictionary(let dictionary):
      if Self.dictionaryMethods.contains(name) { return .callable(.method(name, of: value)) }
      if let member = dictionary[name] { return member }
    case .string:
      if Self.stringMethods.contains(name) { return .callable(.method(name, of: value)) }
    case .list(let list):
      let methods: Set<String>
      switch list.kind {
      case .list: methods = Self.listMethods
      case .tuple: methods = ["count", "index"]
      case .generator, .view: methods = []
      }
      if methods.contains(name) { return .callable(.method(name, of: value)) }
    case .namespace(let namespace):
      if let member = namespace.members[name] { return member }
    case .loop(let state): return loopMember(name, state)
    case .callable(.cycler) where name == "next": return value
    case .callable(.macro(let closure)) where name == "name": return .string(closure.macro.name)
    default: break
    }
    return .undefined("the member '\(name)' of \(value.kindName)")
  }

  private func loopMember(_ name: String, _ state: TemplateLoopState) -> TemplateValue {
    let count = state.items.count
    switch name {
    case "index": return .integer(state.index + 1)
    case "index0": return .integer(state.index)
    case "revindex": return .integer(count - state.index)
    case "revindex0": return .integer(count - state.index - 1)
    case "first": return .bool(state.index == 0)
    case "last": return .bool(state.index == count - 1)
    case "length": return .integer(count)
    case "depth": return .integer(state.recursion + 1)
    case "depth0": return .integer(state.recursion)
    case "previtem":
      return state.index > 0 ? state.items[state.index - 1] : .undefined("the element before the first")
    case "nextitem":
      return state.index + 1 < count
        ? state.items[state.index + 1] : .undefined("the element behind the last")
    case "cycle", "changed": return .callable(.loopMethod(name, state))
    default: return .undefined("the member '\(name)' of the loop")
    }
  }

  func item(_ key: TemplateValue, of value: TemplateValue) throws(TemplateError) -> TemplateValue {
    if case .undefined(let what) = value {
      throw fault("\(what) is not defined, so it has no element \(try representation(of: key))")
    }
    switch (value, key) {
    case (.dictionary(let dictionary), .string(let name)):
      if let member = dictionary[name] { return member }
      return try attribute(name, of: value)
    case (.list(let list), _) where list.kind == .list || list.kind == .tuple:
      if case .integer(let index)? = key.number {
        let place = index < 0 ? index + list.items.count : index
        if list.items.indices.contains(place) { return list.items[place] }
      }
    case (.string(let string), _):
      if case .integer(let index)? = key.number {
        try charge(text: string.utf8.count)
        let scalars = string.unicodeScalars
        let count = index < 0 ? scalars.count : 0
        let place = index < 0 ? index + count : index
        if place >= 0,
          let at = scalars.index(scalars.startIndex, offsetBy: place, limitedBy: scalars.endIndex),
          at < scalars.endIndex
        {
          return .string(String(scalars[at]))
        }
      }
    default: break
    }
    if case .string(let name) = key { return try attribute(name, of: value) }
    return .undefined("the element \(try representation(of: key)) of \(value.kindName)")
  }

  private func slice(
    _ value: TemplateValue, _ from: Int?, _ to: Int?, _ by: Int?
  ) throws(TemplateError) -> TemplateValue {
    let step = by ?? 1
    guard step != 0 else { throw fault("the step of a slice is 0") }
    switch value {
    case .string(let string):
      try charge(text: string.utf8.count)
      let scalars = Array(string.unicodeScalars)
      var result = String.UnicodeScalarView()
      for index in try indices(scalars.count, from, to, step) { result.append(scalars[index]) }
      return .string(String(result))
    case .list(let list) where list.kind == .list || list.kind == .tuple:
      var items: [TemplateValue] = []
      for index in try indices(list.items.count, from, to, step) { items.append(list.items[index]) }
      return try self.list(items, list.kind)
    case .undefined(let what): throw fault("\(what) is not defined, so it has no slices")
    default: throw fault("\(value.kindName) has no slices")
    }
  }

  private func indices(
    _ count: Int, _ from: Int?, _ to: Int?, _ step: Int
  ) throws(TemplateError) -> StrideTo<Int> {
    func clamped(_ bound: Int, _ range: ClosedRange<Int>) -> Int {
      // Far negative bounds stay so far below that adding the count cannot overflow.
      min(max(bound < 0 ? bound + count : bound, range.lowerBound), range.upperBound)
    }
    try charge(count)
    // A step beyond the count takes one element, whatever its size.
    let step = min(max(step, -count - 1), count + 1)
    if step > 0 {
      return stride(
        from: from.map { clamped($0, 0...count) } ?? 0, to: to.map { clamped($0, 0...count) } ?? count,
        by: step)
    }
    return stride(
      from: from.map { clamped($0, -1...max(count - 1, -1)) } ?? count - 1,
      to: to.map { clamped($0, -1...max(count - 1, -1)) } ?? -1, by: step)
  }
}

/// The values of a call's arguments.
struct TemplateCallValues {
  var positional: [TemplateValue] = []
  var named: [(name: String, value: TemplateValue)] = []
}

/// Where a list or dictionary lies that a method changes.
enum TemplatePlace {
  case variable(String)
  case member(String, TemplateNamespace)
}
