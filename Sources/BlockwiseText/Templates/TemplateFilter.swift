/// The filters behind `|`.
enum TemplateFilter: String, CaseIterable, Sendable {
  case abs, attr, capitalize, `default`, dictsort, escape, first, float, indent, int, items, join, last,
    length,
    list, lower, map, max, min, reject, rejectattr, replace, reverse, safe, select, selectattr, sort, string,
    sum, title, tojson, trim, unique, upper

  private static let otherNames: [String: TemplateFilter] = ["d": .default, "e": .escape, "count": .length]

  init?(name: String) {
    guard let filter = TemplateFilter(rawValue: name) ?? Self.otherNames[name] else { return nil }
    self = filter
  }

  /// Names of its arguments, for those with fixed ones.
  var parameters: [String] {
    switch self {
    case .attr: ["name"]
    case .default: ["default_value", "boolean"]
    case .dictsort: ["case_sensitive", "by", "reverse"]
    case .float: ["default"]
    case .indent: ["width", "first", "blank"]
    case .int: ["default", "base"]
    case .join: ["d", "attribute"]
    case .max, .min: ["case_sensitive", "attribute"]
    case .replace: ["old", "new", "count"]
    case .sort: ["reverse", "case_sensitive", "attribute"]
    case .sum: ["attribute", "start"]
    case .tojson: ["ensure_ascii", "indent", "separators", "sort_keys"]
    case .trim: ["chars"]
    case .unique: ["case_sensitive", "attribute"]
    default: []
    }
  }
}

extension TemplateRenderer {
  func apply(
    _ filter: TemplateFilter, to value: TemplateValue, _ arguments: TemplateCallValues
  ) throws(TemplateError) -> TemplateValue {
    try nest { () throws(TemplateError) in
      switch filter {
      case .map: return try map(value, arguments)
      case .select, .reject, .selectattr, .rejectattr: return try select(filter, value, arguments)
      default:
        let options = try bind(arguments, filter.parameters, "the filter '\(filter.rawValue)'")
        return try apply(filter, value, options)
      }
    }
  }

  private func apply(
    _ filter: TemplateFilter, _ value: TemplateValue, _ options: [TemplateValue?]
  ) throws(TemplateError) -> TemplateValue {
    switch filter {
    case .abs, .float, .int, .length, .sum: return try number(filter, value, options)
    case .capitalize, .escape, .indent, .lower, .replace, .safe, .string, .title, .tojson, .trim, .upper:
      return .string(try text(filter, value, options))
    case .dictsort, .items, .list, .reverse, .sort, .unique: return try list(filter, value, options)
    case .attr: return try attribute(try string(options[0], "the name of 'attr'"), of: value)
    case .default:
      let fallback = options[0] ?? .string("")
      if case .undefined = value { return fallback }
      return options[1]?.isTrue == true && !value.isTrue ? fallback : value
    case .first, .last:
      let items = try elements(of: value)
      return (filter == .first ? items.first : items.last)
        ?? .undefined("the \(filter.rawValue) element of nothing")
    case .join:
      let separator = try options[0].map { (value) throws(TemplateError) in try text(of: value) } ?? ""
      var result = ""
      for (index, item) in try elements(of: value).enumerated() {
        if index > 0 { result += separator }
        result += try text(
          of: try options[1].map { (path) throws(TemplateError) in
            try member(path, of: item)
          } ?? item)
        guard result.utf8.count <= limits.textByteCount else {
          try charge(text: result.utf8.count)
          break
        }
      }
      try charge(text: result.utf8.count)
      return .string(result)
    case .max, .min:
      let items = try sorted(
        try elements(of: value), isSensitive: options[0]?.isTrue ?? false, attribute: options[1])
      // The first of equal ones, from either end.
      guard let last = items.last else { return .undefined("the \(filter.rawValue) of nothing") }
      if filter == .min { return items[0] }
      let key = try key(last, options[0]?.isTrue ?? false, options[1])
      for item in items where try equal(try self.key(item, options[0]?.isTrue ?? false, options[1]), key) {
        return item
      }
      return last
    case .map, .select, .reject, .selectattr, .rejectattr:
      throw .unsupported(template: template, line: line, construct: "the filter '\(filter.rawValue)' here")
    }
  }

  // MARK: Numbers

  private func number(
    _ filter: TemplateFilter, _ value: TemplateValue, _ options: [TemplateValue?]
  ) throws(TemplateError) -> TemplateValue {
    switch filter {
    case .length:
      switch value {
      case .undefined: return .integer(0)
      case .string(let string):
        try charge(text: string.utf8.count)
        return .integer(string.unicodeScalars.count)
      case .list(let list) where list.kind != .generator: return .integer(list.items.count)
      case .dictionary(let dictionary): return .integer(dictionary.count)
      default: throw fault("\(value.kindName) has no length")
      }
    case .abs:
      switch value.number {
      case .integer(let integer):
        guard integer != .min else { throw fault("a number exceeds 64 bits") }
        return .integer(Swift.abs(integer))
      case .float(let float): return .float(float.magnitude)
      case nil: throw fault("\(value.kindName) has no absolute value")
      }
    case .sum:
      var sum = options[1] ?? .integer(0)
      for item in try elements(of: value) {
        let term = try options[0].map { (path) throws(TemplateError) in try member(path, of: item) } ?? item
        sum = try calculate(.add, sum, term)
      }
      return sum
    case .float: return try float(value) ?? options[0] ?? .float(0)
    default: return try integer(value, options)
    }
  }

  private func float(_ value: TemplateValue) throws(TemplateError) -> TemplateValue? {
    if case .undefined(let what) = value { throw fault("\(what) is not defined and is no number") }
    if let number = value.number { return .float(number.double) }
    guard case .string(let string) = value, string.utf8.count <= 400 else { return nil }
    return Double(TemplateText.strip(string, left: true, right: true, characters: nil)).map { .float($0) }
  }

  private func integer(
    _ value: TemplateValue, _ options: [TemplateValue?]
  ) throws(TemplateError) -> TemplateValue {
    let base =
      try options[1].map { (base) throws(TemplateError) in try integer(base, "the base of 'int'") } ?? 10
    guard (2...36).contains(base) else { throw fault("the base of 'int' is \(base); expected 2 to 36") }
    if case .integer(let integer)? = value.number { return .integer(integer) }
    if case .string(let string) = value, string.utf8.count <= 400 {
      let digits = TemplateText.strip(string, left: true, right: true, characters: nil)
      if let integer = Int(digits, radix: base) { return .integer(integer) }
    }
    if case .float(let float)? = try float(value), float.isFinite {
      guard let integer = Int(exactly: float.rounded(.towardZero)) else {
        throw fault("the number \(TemplateText.text(float)) exceeds 64 bits")
      }
      return .integer(integer)
    }
    return options[0] ?? .integer(0)
  }

  // MARK: Texts

  private func text(
    _ filter: TemplateFilter, _ value: TemplateValue, _ options: [TemplateValue?]
  ) throws(TemplateError) -> String {
    if filter == .tojson { return try json(value, options) }
    let text = try text(of: value)
    try charge(text: text.utf8.count)
    switch filter {
    case .capitalize: return TemplateText.capitalized(text)
    case .escape:
      try charge(text: text.utf8.count * 5)
      return TemplateText.escapedForHTML(text)
    case .indent: return try indented(text, options)
    case .lower: return text.lowercased()
    case .upper: return text.uppercased()
    case .replace:
      guard let old = options[0], let new = options[1] else {
        throw fault("the filter 'replace' needs what to look for and what to put")
      }
      let count = try options[2].map { (count) throws(TemplateError) in
        try integer(count, "the count of 'replace'")
      }
      return try replacing(text, try self.text(of: old), try self.text(of: new), count)
    case .title:
      return TemplateText.titled(
        text, first: { $0.properties.uppercaseMapping },
        isBoundary: { TemplateText.isSpace($0) || "-({[<".unicodeScalars.contains($0) })
    case .trim:
      guard let characters = options[0] else {
        return TemplateText.strip(text, left: true, right: true, characters: nil)
      }
      return TemplateText.strip(
        text, left: true, right: true, characters: try string(characters, "the argument of 'trim'"))
    default: return text
    }
  }

  private func indented(_ text: String, _ options: [TemplateValue?]) throws(TemplateError) -> String {
    var indentation = "    "
    switch options[0] {
    case .string(let string)?: indentation = string
    case let width?: indentation = try repeating(" ", try integer(width, "the width of 'indent'"))
    case nil: break
    }
    // A text without line end behaves as if it had one: an empty text is one empty line.
    let lines = TemplateText.lines(text + "\n", keepsEnds: false)
    let (total, overflow) = indentation.utf8.count.multipliedReportingOverflow(by: lines.count + 1)
    try charge(text: overflow ? .max : total)
    let indentsBlank = options[2]?.isTrue ?? false
    var result = options[1]?.isTrue == true ? indentation : ""
    for (index, line) in lines.enumerated() {
      if index > 0 { result += "\n" + (line.isEmpty && !indentsBlank ? "" : indentation) }
      result += line
    }
    return result
  }

  // MARK: Lists

  private func list(
    _ filter: TemplateFilter, _ value: TemplateValue, _ options: [TemplateValue?]
  ) throws(TemplateError) -> TemplateValue {
    switch filter {
    case .items:
      switch value {
      case .undefined: return try list([], .generator)
      case .dictionary(let dictionary):
        try charge(dictionary.count)
        return try list(dictionary.items, .generator)
      default: throw fault("\(value.kindName) has no pairs of keys and values")
      }
    case .dictsort:
      guard case .dictionary(let dictionary) = value else {
        throw fault("\(value.kindName) has no pairs of keys and values")
      }
      try charge(dictionary.count)
      let by =
        try options[1].map { (by) throws(TemplateError) in try string(by, "'by' of 'dictsort'") } ?? "key"
      guard by == "key" || by == "value" else {
        throw fault("'by' of 'dictsort' is '\(by)'; expected key or value")
      }
      let items = try sorted(
        dictionary.items, isSensitive: options[0]?.isTrue ?? false, attribute: .integer(by == "key" ? 0 : 1))
      return try list(options[2]?.isTrue == true ? items.reversed() : items)
    case .sort:
      return try list(
        try sorted(
          try elements(of: value), isSensitive: options[1]?.isTrue ?? false, attribute: options[2],
          isReversed: options[0]?.isTrue ?? false))
    case .reverse:
      if case .string(let string) = value {
        try charge(text: string.utf8.count)
        var scalars = String.UnicodeScalarView()
        scalars.append(contentsOf: string.unicodeScalars.reversed())
        return .string(String(scalars))
      }
      return try list(try elements(of: value).reversed(), .generator)
    case .unique:
      var keys: [TemplateValue] = []
      var items: [TemplateValue] = []
      for item in try elements(of: value) {
        let key = try key(item, options[0]?.isTrue ?? false, options[1])
        var isKnown = false
        for known in keys where try equal(known, key) {
          isKnown = true
          break
        }
        if isKnown { continue }
        keys.append(key)
        items.append(item)
      }
      return try list(items, .generator)
    default: return try list(try elements(of: value))
    }
  }

  /// What an element is sorted by.
  private func key(
    _ item: TemplateValue, _ isSensitive: Bool, _ attribute: TemplateValue?
  ) throws(TemplateError) -> TemplateValue {
    var key = item
    if let attribute { key = try member(attribute, of: item) }
    guard !isSensitive, case .string(let string) = key else { return key }
    try charge(text: string.utf8.count)
    return .string(string.lowercased())
  }

  private func sorted(
    _ items: [TemplateValue], isSensitive: Bool, attribute: TemplateValue?, isReversed: Bool = false
  ) throws(TemplateError) -> [TemplateValue] {
    var pairs: [(key: TemplateValue, item: TemplateValue)] = []
    for item in items { pairs.append((try key(item, isSensitive, attribute), item)) }
    return try sorted(pairs) { (left, right) throws(TemplateError) in
      try isReversed
        ? precedes(right.key, left.key, orEqual: false) : precedes(left.key, right.key, orEqual: false)
    }.map(\.item)
  }

  /// A member at the end of a path: `a.b.0`.
  private func member(_ path: TemplateValue, of value: TemplateValue) throws(TemplateError) -> TemplateValue {
    guard case .string(let path) = path else { return try item(path, of: value) }
    var value = value
    for part in path.split(separator: ".", omittingEmptySubsequences: false) {
      let key = TemplateText.isNumber(part) ? Int(part).map { TemplateValue.integer($0) } : nil
      value = try item(key ?? .string(String(part)), of: value)
    }
    return value
  }

  // MARK: Filters that apply others

  private func map(
    _ value: TemplateValue, _ arguments: TemplateCallValues
  ) throws(TemplateError) -> TemplateValue {
    let items = try elements(of: value)
    var results: [TemplateValue] = []
    if arguments.positional.isEmpty {
      let options = try bind(arguments, ["attribute", "default"], "the filter 'map'")
      guard let path = options[0] else { throw fault("the filter 'map' needs a filter or an attribute") }
      for item in items {
        var result = try member(path, of: item)
        if case .undefined = result, let fallback = options[1] { result = fallback }
        results.append(result)
      }
    } else {
      let name = try string(arguments.positional[0], "the filter that 'map' applies")
      guard let filter = TemplateFilter(name: name) else {
        throw .unsupported(template: template, line: line, construct: "the filter '\(name)'")
      }
      var rest = arguments
      rest.positional.removeFirst()
      for item in items { results.append(try apply(filter, to: item, rest)) }
    }
    return try list(results, .generator)
  }

  private func select(
    _ filter: TemplateFilter, _ value: TemplateValue, _ arguments: TemplateCallValues
  ) throws(TemplateError) -> TemplateValue {
    var rest = arguments
    var path: TemplateValue?
    if filter == .selectattr || filter == .rejectattr {
      guard !rest.positional.isEmpty else {
        throw fault("the filter '\(filter.rawValue)' needs an attribute")
      }
      path = rest.positional.removeFirst()
    }
    var test: TemplateTest?
    if !rest.positional.isEmpty {
      let name = try string(rest.positional.removeFirst(), "the test of '\(filter.rawValue)'")
      guard let known = TemplateTest(name: name) else {
        throw .unsupported(template: template, line: line, construct: "the test '\(name)'")
      }
      test = known
    }
    let keeps = filter == .select || filter == .selectattr
    var kept: [TemplateValue] = []
    for item in try elements(of: value) {
      try charge()
      let subject = try path.map { (path) throws(TemplateError) in try member(path, of: item) } ?? item
      let holds =
        try test.map { (test) throws(TemplateError) in try passes(test, subject, rest) } ?? subject.isTrue
      if holds == keeps { kept.append(item) }
    }
    return try list(kept, .generator)
  }
}
