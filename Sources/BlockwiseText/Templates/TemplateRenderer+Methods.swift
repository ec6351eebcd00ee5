/// Methods of strings, lists and dictionaries: those of Python, from which the templates' language comes.
extension TemplateRenderer {
  // Names that are methods there hide members of the same name here, also those that nobody implements.
  static let stringMethods: Set<String> = [
    "capitalize", "casefold", "center", "count", "encode", "endswith", "expandtabs", "find", "format",
    "format_map", "index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier", "islower",
    "isnumeric", "isprintable", "isspace", "istitle", "isupper", "join", "ljust", "lower", "lstrip",
    "maketrans", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust",
    "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title",
    "translate", "upper", "zfill",
  ]
  static let listMethods: Set<String> = [
    "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse", "sort",
  ]
  static let dictionaryMethods: Set<String> = [
    "clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values",
  ]
  /// Methods that change what they belong to.
  static let changingMethods: Set<String> = [
    "append", "clear", "extend", "insert", "pop", "popitem", "remove", "reverse", "setdefault", "sort",
    "update",
  ]

  func call(
    method name: String, of receiver: TemplateValue, _ arguments: TemplateCallValues
  ) throws(TemplateError) -> TemplateValue {
    switch receiver {
    case .string(let string): return try call(stringMethod: name, string, arguments)
    case .dictionary(let dictionary):
      try charge(dictionary.count)
      switch name {
      case "get":
        let values = try bind(arguments, ["key", "default"], "'get'")
        guard let key = values[0] else { throw fault("'get' is called without a key") }
        if case .string(let key) = key, let value = dictionary[key] { return value }
        return values[1] ?? .none
      case "items":
        _ = try bind(arguments, [], "'items'")
        return try list(dictionary.items, .view)
      case "keys":
        _ = try bind(arguments, [], "'keys'")
        return try list(dictionary.keys.map { .string($0) }, .view)
      case "values":
        _ = try bind(arguments, [], "'values'")
        return try list(dictionary.values, .view)
      case "copy":
        _ = try bind(arguments, [], "'copy'")
        return receiver
      default: break
      }
    case .list(let list):
      switch name {
      case "copy":
        _ = try bind(arguments, [], "'copy'")
        return receiver
      case "index", "count":
        guard let wanted = try bind(arguments, ["value"], "'\(name)'")[0] else {
          throw fault("'\(name)' is called without a value")
        }
        var count = 0
        for (index, item) in list.items.enumerated() where try equal(item, wanted) {
          if name == "index" { return .integer(index) }
          count += 1
        }
        if name == "index" { throw fault("the list does not contain what 'index' looks for") }
        return .integer(count)
      default: break
      }
    default: break
    }
    throw .unsupported(
      template: template, line: line, construct: "the method '\(name)' of \(receiver.kindName)")
  }

  // MARK: Changing lists and dictionaries

  /// Calls a method that changes its receiver and puts the result back where the receiver lies.
  func change(
    _ receiver: TemplateValue, _ name: String, _ arguments: TemplateCallValues, at place: TemplatePlace
  ) throws(TemplateError) -> TemplateValue {
    let result: TemplateValue
    let changed: TemplateValue
    switch receiver {
    case .list(let list):
      var items = list.items
      result = try change(&items, name, arguments)
      changed = try self.list(items)
    case .dictionary(var dictionary):
      try charge(dictionary.count)
      result = try change(&dictionary, name, arguments)
      changed = .dictionary(dictionary)
      try checkDepth(changed)
    default:
      throw .unsupported(
        template: template, line: line, construct: "the method '\(name)' of \(receiver.kindName)")
    }
    switch place {
    case .variable(let variable): replace(variable: variable, by: changed)
    case .member(let member, let namespace): try set(changed, member, in: namespace)
    }
    return result
  }

  private func change(
    _ items: inout [TemplateValue], _ name: String, _ arguments: TemplateCallValues
  ) throws(TemplateError) -> TemplateValue {
    switch name {
    case "append":
      guard let item = try bind(arguments, ["object"], "'append'")[0] else {
        throw fault("'append' is called without a value")
      }
      items.append(item)
    case "extend":
      guard let more = try bind(arguments, ["iterable"], "'extend'")[0] else {
        throw fault("'extend' is called without values")
      }
      items += try elements(of: more)
    case "insert":
      let values = try bind(arguments, ["index", "object"], "'insert'")
      let index = try integer(values[0], "the index of 'insert'")
      guard let item = values[1] else { throw fault("'insert' is called without a value") }
      let place = index < 0 ? max(0, index + items.count) : min(index, items.count)
      items.insert(item, at: place)
    case "pop":
      let index = try bind(arguments, ["index"], "'pop'")[0]
      let place =
        try index.map { (index) throws(TemplateError) in try integer(index, "the index of 'pop'") } ?? -1
      let offset = place < 0 ? place + items.count : place
      guard items.indices.contains(offset) else { throw fault("'pop' finds no element \(place)") }
      return items.remove(at: offset)
    default:
      throw .unsupported(template: template, line: line, construct: "the method '\(name)' of a list")
    }
    return .none
  }

  private func change(
    _ dictionary: inout TemplateDictionary, _ name: String, _ arguments: TemplateCallValues
  ) throws(TemplateError) -> TemplateValue {
    func set(_ key: String, _ value: TemplateValue) throws(TemplateError) {
      guard value.isData else { throw fault("\(value.kindName) cannot be a value of a dictionary") }
      dictionary[key] = value
    }
    switch name {
    case "update":
      for value in arguments.positional {
        guard case .dictionary(let more) = value, arguments.positional.count == 1 else {
          throw fault("'update' takes one dictionary and arguments with names")
        }
        try charge(more.count)
        for (key, value) in zip(more.keys, more.values) { try set(key, value) }
      }
      for (key, value) in arguments.named { try set(key, value) }
      return .none
    case "setdefault":
      let values = try bind(arguments, ["key", "default"], "'setdefault'")
      let key = try string(values[0], "the key of 'setdefault'")
      if let value = dictionary[key] { return value }
      let value = values[1] ?? .none
      try set(key, value)
      return value
    case "pop":
      let values = try bind(arguments, ["key", "default"], "'pop'")
      let key = try string(values[0], "the key of 'pop'")
      guard let value = dictionary[key] ?? values[1] else { throw fault("'pop' finds no key '\(key)'") }
      dictionary[key] = nil
      return value
    default:
      throw .unsupported(template: template, line: line, construct: "the method '\(name)' of a dictionary")
    }
  }

  // MARK: Strings

  private func call(
    stringMethod name: String, _ text: String, _ arguments: TemplateCallValues
  ) throws(TemplateError) -> TemplateValue {
    try charge(text: text.utf8.count)
    let callee = "'\(name)'"
    switch name {
    case "strip", "lstrip", "rstrip":
      let characters = try bind(arguments, ["chars"], callee)[0]
      var set: String?
      if let characters, case .none = characters {
      } else if let characters {
        set = try string(characters, "the argument of \(callee)")
      }
      return .string(
        TemplateText.strip(text, left: name != "rstrip", right: name != "lstrip", characters: set))
    case "split", "rsplit": return try split(text, name, arguments)
    case "splitlines":
      let keeps = try bind(arguments, ["keepends"], callee)[0]
      return try list(
        TemplateText.lines(text, keepsEnds: keeps?.isTrue ?? false).map { .string($0) })
    case "startswith", "endswith":
      let pattern = try bind(arguments, ["prefix"], callee)[0]
      var patterns = [pattern]
      if case .list(let list)? = pattern, list.kind == .tuple { patterns = list.items }
      for pattern in patterns {
        let pattern = try string(pattern, "the argument of \(callee)")
        let holds =
          name == "startswith" ? TemplateText.hasPrefix(text, pattern) : TemplateText.hasSuffix(text, pattern)
        if holds { return .bool(true) }
      }
      return .bool(false)
    case "removeprefix":
      let prefix = try string(try bind(arguments, ["prefix"], callee)[0], "the argument of \(callee)")
      guard TemplateText.hasPrefix(text, prefix) else { return .string(text) }
      return .string(String(decoding: text.utf8.dropFirst(prefix.utf8.count), as: UTF8.self))
    case "removesuffix":
      let suffix = try string(try bind(arguments, ["suffix"], callee)[0], "the argument of \(callee)")
      guard TemplateText.hasSuffix(text, suffix) else { return .string(text) }
      return .string(String(decoding: text.utf8.dropLast(suffix.utf8.count), as: UTF8.self))
    case "replace":
      let values = try bind(arguments, ["old", "new", "count"], callee)
      let limit = try values[2].map { (count) throws(TemplateError) in
        try integer(count, "the count of \(callee)")
      }
      return .string(
        try replacing(
          text, try string(values[0], "what \(callee) looks for"),
          try string(values[1], "what \(callee) puts"),
          limit))
    case "find", "count":
      let pattern = try string(try bind(arguments, ["sub"], callee)[0], "the argument of \(callee)")
      try charge(search: pattern, in: text)
      if name == "count" {
        let count =
          pattern.isEmpty ? text.unicodeScalars.count + 1 : TemplateText.places(of: pattern, in: text).count
        return .integer(count)
      }
      guard !pattern.isEmpty else { return .integer(0) }
      guard let place = TemplateText.places(of: pattern, in: text, limit: 1).first else {
        return .integer(-1)
      }
      return .integer(String(decoding: text.utf8.prefix(place), as: UTF8.self).unicodeScalars.count)
    case "join":
      guard let items = try bind(arguments, ["iterable"], callee)[0] else {
        throw fault("'join' is called without values")
      }
      var result = ""
      for (index, item) in try elements(of: items).enumerated() {
        if index > 0 { result += text }
        result += try string(item, "element \(index) of 'join'")
        try charge(text: result.utf8.count / 16)
      }
      try charge(text: result.utf8.count)
      return .string(result)
    default:
      guard let result = simple(name, text) else {
        throw .unsupported(template: template, line: line, construct: "the method '\(name)' of a string")
      }
      _ = try bind(arguments, [], callee)
      return result
    }
  }

  /// Methods without arguments; nil for those that are not known.
  private func simple(_ name: String, _ text: String) -> TemplateValue? {
    let scalars = text.unicodeScalars
    func all(_ holds: (Unicode.Scalar) -> Bool) -> TemplateValue {
      .bool(!scalars.isEmpty && scalars.allSatisfy(holds))
    }
    switch name {
    case "upper": return .string(text.uppercased())
    case "lower", "casefold": return .string(text.lowercased())
    case "capitalize": return .string(TemplateText.capitalized(text))
    case "title":
      return .string(TemplateText.titled(text) { !$0.properties.isCased && !$0.properties.isAlphabetic })
    case "isspace": return all(TemplateText.isSpace)
    case "isalpha": return all(\.properties.isAlphabetic)
    case "isdigit", "isdecimal", "isnumeric": return all { $0.properties.numericType == .decimal }
    case "isalnum": return all { $0.properties.isAlphabetic || $0.properties.numericType != nil }
    case "isascii": return .bool(scalars.allSatisfy(\.isASCII))
    case "isupper":
      return .bool(
        scalars.contains(where: \.properties.isUppercase)
          && !scalars.contains(where: \.properties.isLowercase))
    case "islower":
      return .bool(
        scalars.contains(where: \.properties.isLowercase)
          && !scalars.contains(where: \.properties.isUppercase))
    default: return nil
    }
  }

  private func split(
    _ text: String, _ name: String, _ arguments: TemplateCallValues
  ) throws(TemplateError) -> TemplateValue {
    let values = try bind(arguments, ["sep", "maxsplit"], "'\(name)'")
    let limit =
      try values[1].map { (value) throws(TemplateError) in
        try integer(value, "the limit of '\(name)'")
      } ?? -1
    var separator: String?
    if let value = values[0], case .none = value {
    } else if let value = values[0] {
      separator = try string(value, "the separator of '\(name)'")
    }
    if let separator {
      guard !separator.isEmpty else { throw fault("the separator of '\(name)' is empty") }
      try charge(search: separator, in: text)
      guard name == "split" || limit < 0 else {
        var pieces = TemplateText.split(text, by: separator, limit: .max)
        if pieces.count - 1 > limit {
          let head = pieces[..<(pieces.count - limit)].joined(separator: separator)
          pieces = [head] + pieces[(pieces.count - limit)...]
        }
        return try list(pieces.map { .string($0) })
      }
      return try list(
        TemplateText.split(text, by: separator, limit: limit < 0 ? .max : limit).map { .string($0) })
    }
    guard name == "split" || limit < 0 else {
      throw .unsupported(
        template: template, line: line, construct: "'rsplit' at white space with a limit")
    }
    return try list(TemplateText.words(text, limit: limit < 0 ? .max : limit).map { .string($0) })
  }

  /// `replace`, with a bound on what may come out.
  func replacing(
    _ text: String, _ pattern: String, _ content: String, _ limit: Int?
  ) throws(TemplateError) -> String {
    let limit = limit.map { $0 < 0 ? .max : $0 } ?? .max
    try charge(search: pattern, in: text)
    let count =
      pattern.isEmpty
      ? text.unicodeScalars.count + 1 : TemplateText.places(of: pattern, in: text, limit: limit).count
    let (growth, overflow) = min(count, limit).multipliedReportingOverflow(by: content.utf8.count)
    let (total, isTooLarge) = growth.addingReportingOverflow(text.utf8.count)
    try charge(text: overflow || isTooLarge ? .max : total)
    return TemplateText.replacing(text, pattern, with: content, limit: limit)
  }
}
