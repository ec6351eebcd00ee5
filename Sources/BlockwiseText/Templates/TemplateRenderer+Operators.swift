extension TemplateRenderer {
  // MARK: Text of values

  /// The value as it is printed.
  func text(of value: TemplateValue) throws(TemplateError) -> String {
    switch value {
    case .undefined: return ""
    case .string(let string): return string
    case .namespace, .loop, .callable: throw fault("\(value.kindName) cannot be printed")
    default: return try representation(of: value)
    }
  }

  /// The value as it is printed inside a list.
  func representation(of value: TemplateValue) throws(TemplateError) -> String {
    var text = ""
    try writeRepresentation(of: value, to: &text)
    return text
  }

  private func writeRepresentation(of value: TemplateValue, to text: inout String) throws(TemplateError) {
    try charge()
    switch value {
    case .undefined: text += "Undefined"
    case .none: text += "None"
    case .bool(let bool): text += bool ? "True" : "False"
    case .integer(let integer): text += "\(integer)"
    case .float(let float): text += TemplateText.text(float)
    case .string(let string):
      try charge(text: string.utf8.count)
      text += TemplateText.quoted(string)
    case .list(let list):
      switch list.kind {
      case .list, .tuple: break
      case .generator, .view: throw fault("what a filter or method gives one by one has no text; use 'list'")
      }
      text += list.kind == .tuple ? "(" : "["
      for (index, item) in list.items.enumerated() {
        if index > 0 { text += ", " }
        try writeRepresentation(of: item, to: &text)
      }
      if list.kind == .tuple, list.items.count == 1 { text += "," }
      text += list.kind == .tuple ? ")" : "]"
    case .dictionary(let dictionary):
      text += "{"
      for (index, (key, item)) in zip(dictionary.keys, dictionary.values).enumerated() {
        if index > 0 { text += ", " }
        text += TemplateText.quoted(key) + ": "
        try writeRepresentation(of: item, to: &text)
      }
      text += "}"
    case .namespace, .loop, .callable: throw fault("\(value.kindName) cannot be printed")
    }
    guard text.utf8.count <= limits.textByteCount else { return try charge(text: text.utf8.count) }
  }

  // MARK: Comparing

  func equal(_ lhs: TemplateValue, _ rhs: TemplateValue) throws(TemplateError) -> Bool {
    try charge()
    switch (lhs, rhs) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.string(let lhs), .string(let rhs)):
      try charge(text: min(lhs.utf8.count, rhs.utf8.count))
      return TemplateText.equal(lhs, rhs)
    case (.list(let lhs), .list(let rhs)):
      guard lhs.kind == rhs.kind, lhs.items.count == rhs.items.count else { return false }
      for (left, right) in zip(lhs.items, rhs.items) {
        if !(try equal(left, right)) { return false }
      }
      return true
    case (.dictionary(let lhs), .dictionary(let rhs)):
      guard lhs.count == rhs.count else { return false }
      for (key, left) in zip(lhs.keys, lhs.values) {
        guard let right = rhs[key] else { return false }
        if !(try equal(left, right)) { return false }
      }
      return true
    case (.namespace(let lhs), .namespace(let rhs)): return lhs === rhs
    default:
      guard let lhs = lhs.number, let rhs = rhs.number else { return false }
      if case (.integer(let lhs), .integer(let rhs)) = (lhs, rhs) { return lhs == rhs }
      return lhs.double == rhs.double
    }
  }

  func precedes(
    _ lhs: TemplateValue, _ rhs: TemplateValue, orEqual: Bool
  ) throws(TemplateError) -> Bool {
    try charge()
    switch (lhs, rhs) {
    case (.string(let lhs), .string(let rhs)):
      try charge(text: min(lhs.utf8.count, rhs.utf8.count))
      return orEqual ? !TemplateText.precedes(rhs, lhs) : TemplateText.precedes(lhs, rhs)
    case (.list(let left), .list(let right)) where left.kind == right.kind:
      for (left, right) in zip(left.items, right.items) {
        if !(try equal(left, right)) { return try precedes(left, right, orEqual: orEqual) }
      }
      let (left, right) = (left.items.count, right.items.count)
      return orEqual ? left <= right : left < right
    default:
      guard let left = lhs.number, let right = rhs.number else {
        throw fault("\(lhs.kindName) and \(rhs.kindName) cannot be put in order")
      }
      if case (.integer(let left), .integer(let right)) = (left, right) {
        return orEqual ? left <= right : left < right
      }
      return orEqual ? left.double <= right.double : left.double < right.double
    }
  }

  /// `element in container`
  func contains(_ container: TemplateValue, _ element: TemplateValue) throws(TemplateError) -> Bool {
    switch container {
    case .undefined: return false
    case .string(let string):
      guard case .string(let pattern) = element else {
        throw fault("\(element.kindName) cannot be searched in a string")
      }
      try charge(search: pattern, in: string)
      return TemplateText.contains(string, pattern)
    case .list(let list):
      for item in list.items where try equal(item, element) { return true }
      return false
    case .dictionary(let dictionary):
      guard case .string(let key) = element else { return false }
      return dictionary[key] != nil
    default: throw fault("nothing can be in \(container.kindName)")
    }
  }

  /// Pays for a search, which in the worst case compares the pattern at every place.
  func charge(search pattern: String, in text: String) throws(TemplateError) {
    let (product, overflow) = text.utf8.count.multipliedReportingOverflow(by: pattern.utf8.count)
    try charge(overflow ? .max : 1 + text.utf8.count / 64 + product / 64)
  }

  /// A stable sort.
  func sorted<Element>(
    _ items: [Element], _ precedes: (Element, Element) throws(TemplateError) -> Bool
  ) throws(TemplateError) -> [Element] {
    var source = items
    var target = items
    var width = 1
    while width < items.count {
      var start = 0
      while start < items.count {
        let middle = min(start + width, items.count)
        let end = min(start + 2 * width, items.count)
        var (left, right) = (start, middle)
        for place in start..<end {
          // The right one goes first only if it is truly smaller.
          var takesRight = left >= middle
          if !takesRight, right < end { takesRight = try precedes(source[right], source[left]) }
          if takesRight {
            target[place] = source[right]
            right += 1
          } else {
            target[place] = source[left]
            left += 1
          }
        }
        start = end
      }
      swap(&source, &target)
      width *= 2
    }
    return source
  }

  // MARK: Calculating

  func signed(_ value: TemplateValue, _ isNegative: Bool) throws(TemplateError) -> TemplateValue {
    switch value.number {
    case .integer(let integer):
      guard isNegative else { return .integer(integer) }
      let (result, overflow) = (0).subtractingReportingOverflow(integer)
      guard !overflow else { throw tooLarge }
      return .integer(result)
    case .float(let float): return .float(isNegative ? -float : float)
    case nil: throw fault("\(value.kindName) has no sign")
    }
  }

  private var tooLarge: TemplateError { fault("a number exceeds 64 bits") }

  func calculate(
    _ operation: TemplateOperation, _ lhs: TemplateValue, _ rhs: TemplateValue
  ) throws(TemplateError) -> TemplateValue {
    for operand in [lhs, rhs] {
      if case .undefined(let what) = operand {
        throw fault("\(what) is not defined and cannot be used with '\(operation.rawValue)'")
      }
    }
    if let left = lhs.number, let right = rhs.number {
      if case (.integer(let left), .integer(let right)) = (left, right) {
        return try calculate(operation, left, right)
      }
      return try calculate(operation, left.double, right.double)
    }
    switch (operation, lhs, rhs) {
    case (.add, .string(let left), .string(let right)):
      try charge(text: left.utf8.count + right.utf8.count)
      return .string(left + right)
    case (.add, .list(let left), .list(let right))
    where left.kind == right.kind && (left.kind == .list || left.kind == .tuple):
      return try list(left.items + right.items, left.kind)
    case (.multiply, .string(let text), .integer(let count)),
      (.multiply, .integer(let count), .string(let text)):
      return .string(try repeating(text, count))
    case (.multiply, .list(let items), .integer(let count)),
      (.multiply, .integer(let count), .list(let items)):
      guard items.kind == .list || items.kind == .tuple else { break }
      if items.items.isEmpty { return try list([], items.kind) }
      let (total, overflow) = items.items.count.multipliedReportingOverflow(by: max(0, count))
      try charge(overflow ? .max : total)
      return try list(Array(repeatElement(items.items, count: max(0, count)).joined()), items.kind)
    case (.remainder, .string, _):
      throw .unsupported(template: template, line: line, construct: "'%' as the formatting of a string")
    default: break
    }
    throw fault("'\(operation.rawValue)' does not work on \(lhs.kindName) and \(rhs.kindName)")
  }

  /// A text a number of times.
  func repeating(_ text: String, _ count: Int) throws(TemplateError) -> String {
    let (total, overflow) = text.utf8.count.multipliedReportingOverflow(by: max(0, count))
    try charge(text: overflow ? .max : total)
    return text.isEmpty ? "" : String(repeating: text, count: max(0, count))
  }

  private func calculate(
    _ operation: TemplateOperation, _ lhs: Int, _ rhs: Int
  ) throws(TemplateError) -> TemplateValue {
    let result: (partialValue: Int, overflow: Bool)
    switch operation {
    case .add: result = lhs.addingReportingOverflow(rhs)
    case .subtract: result = lhs.subtractingReportingOverflow(rhs)
    case .multiply: result = lhs.multipliedReportingOverflow(by: rhs)
    case .divide: return try calculate(operation, Double(lhs), Double(rhs))
    case .floorDivide, .remainder:
      guard rhs != 0 else { throw fault("a division by 0") }
      let (quotient, overflow) = lhs.dividedReportingOverflow(by: rhs)
      guard !overflow else { throw tooLarge }
      // Rounded down, where the processor rounds towards 0.
      let isRounded = lhs % rhs != 0 && (lhs < 0) != (rhs < 0)
      let floor = isRounded ? quotient - 1 : quotient
      return .integer(operation == .floorDivide ? floor : lhs % rhs + (isRounded ? rhs : 0))
    case .power:
      guard rhs >= 0 else { return try calculate(operation, Double(lhs), Double(rhs)) }
      var power = 1
      var remaining = rhs
      // 0 and ±1 have powers without end; all others leave 64 bits soon.
      if lhs == 0 || lhs == 1 || lhs == -1 { remaining = min(remaining, 2 + remaining % 2) }
      while remaining > 0 {
        let (product, overflow) = power.multipliedReportingOverflow(by: lhs)
        guard !overflow else { throw tooLarge }
        power = product
        remaining -= 1
      }
      return .integer(power)
    }
    guard !result.overflow else { throw tooLarge }
    return .integer(result.partialValue)
  }

  private func calculate(
    _ operation: TemplateOperation, _ lhs: Double, _ rhs: Double
  ) throws(TemplateError) -> TemplateValue {
    switch operation {
    case .add: return .float(lhs + rhs)
    case .subtract: return .float(lhs - rhs)
    case .multiply: return .float(lhs * rhs)
    case .divide, .floorDivide, .remainder:
      guard rhs != 0 else { throw fault("a division by 0") }
      if operation == .divide { return .float(lhs / rhs) }
      let floor = (lhs / rhs).rounded(.down)
      return .float(operation == .floorDivide ? floor : lhs - floor * rhs)
    case .power:
      throw .unsupported(template: template, line: line, construct: "'**' with a number that is not whole")
    }
  }
}
