internal import BlockwiseFiles

/// A value while a template is rendered.
enum TemplateValue {
  /// What is not there, and what that is, in words.
  case undefined(String)
  case none
  case bool(Bool)
  case integer(Int)
  case float(Double)
  case string(String)
  case list(TemplateList)
  case dictionary(TemplateDictionary)
  case namespace(TemplateNamespace)
  case loop(TemplateLoopState)
  case callable(TemplateCallable)

  /// Levels of lists and dictionaries in it; a simple value has none.
  var depth: Int {
    switch self {
    case .list(let list): list.depth
    case .dictionary(let dictionary): dictionary.depth
    default: 0
    }
  }

  /// Whether it is plain data: what may stand in lists, dictionaries and namespaces.
  var isData: Bool {
    switch self {
    case .namespace, .loop, .callable: false
    default: true
    }
  }

  /// What kind of value it is, for messages.
  var kindName: String {
    switch self {
    case .undefined(let what): "\(what), which is not defined"
    case .none: "none"
    case .bool: "a boolean"
    case .integer, .float: "a number"
    case .string: "a string"
    case .list(let list): list.kind == .tuple ? "a tuple" : "a list"
    case .dictionary: "a dictionary"
    case .namespace: "a namespace"
    case .loop: "the loop"
    case .callable(let callable): callable.summary
    }
  }

  /// What counts as true in a condition.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let bool): bool
    case .integer(let integer): integer != 0
    case .float(let float): float != 0
    case .string(let string): !string.isEmpty
    // What a filter gives step by step counts as true before anybody has looked into it.
    case .list(let list): list.kind == .generator || !list.items.isEmpty
    case .dictionary(let dictionary): dictionary.count > 0
    case .namespace, .loop, .callable: true
    }
  }

  /// The number, of booleans too, as in the language the templates come from.
  var number: TemplateNumber? {
    switch self {
    case .bool(let bool): .integer(bool ? 1 : 0)
    case .integer(let integer): .integer(integer)
    case .float(let float): .float(float)
    default: nil
    }
  }

  init(_ json: JSONValue) {
    switch json {
    case .null: self = .none
    case .bool(let bool): self = .bool(bool)
    case .integer(let integer): self = .integer(Int(integer))
    case .number(let number): self = .float(number)
    case .string(let string): self = .string(string)
    case .array(let elements): self = .list(TemplateList(elements.map { TemplateValue($0) }))
    case .object(let object):
      var dictionary = TemplateDictionary()
      for (key, value) in object { dictionary[key] = TemplateValue(value) }
      self = .dictionary(dictionary)
    }
  }

  init(_ literal: TemplateLiteral) {
    switch literal {
    case .none: self = .none
    case .bool(let bool): self = .bool(bool)
    case .integer(let integer): self = .integer(integer)
    case .float(let float): self = .float(float)
    case .string(let string): self = .string(string)
    }
  }
}

/// A number of either kind.
enum TemplateNumber {
  case integer(Int)
  case float(Double)

  var double: Double {
    switch self {
    case .integer(let integer): Double(integer)
    case .float(let float): float
    }
  }
}

/// A row of values. Lists are values: what a template does to one never shows elsewhere.
struct TemplateList {
  /// Kinds that differ in how they print, compare, and count as true.
  enum Kind {
    case list
    case tuple
    /// What a filter gives one by one: without length, always true.
    case generator
    /// `dict.keys()` and its like.
    case view
  }

  var items: [TemplateValue]
  var kind: Kind
  let depth: Int

  init(_ items: [TemplateValue], kind: Kind = .list) {
    self.items = items
    self.kind = kind
    depth = 1 + (items.lazy.map(\.depth).max() ?? 0)
  }
}

/// A dictionary with string keys, in the order they were set.
struct TemplateDictionary {
  private(set) var keys: [String] = []
  private(set) var values: [TemplateValue] = []
  private var places: [ExactString: Int] = [:]
  private(set) var depth = 1

  var count: Int { keys.count }

  subscript(key: String) -> TemplateValue? {
    get { places[ExactString(key)].map { values[$0] } }
    set {
      let exact = ExactString(key)
      switch (places[exact], newValue) {
      case (let place?, let value?): values[place] = value
      case (nil, let value?):
        places[exact] = keys.count
        keys.append(key)
        values.append(value)
      case (let place?, nil):
        keys.remove(at: place)
        values.remove(at: place)
        places[exact] = nil
        for index in place..<keys.count { places[ExactString(keys[index])] = index }
      case (nil, nil): break
      }
      if let newValue { depth = max(depth, newValue.depth + 1) }
    }
  }

  /// Key and value pairs as tuples.
  var items: [TemplateValue] {
    zip(keys, values).map { .list(TemplateList([.string($0), $1], kind: .tuple)) }
  }
}

/// A string that equals another one only if their bytes are the same: no canonical equivalence.
struct ExactString: Hashable {
  let text: String

  init(_ text: String) { self.text = text }

  static func == (lhs: ExactString, rhs: ExactString) -> Bool { TemplateText.equal(lhs.text, rhs.text) }

  func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

/// `namespace()`: the one thing whose members can be set from inside loops. Holds plain data only, so that nothing
/// can contain itself.
final class TemplateNamespace {
  var members = TemplateDictionary()
}

/// `loop`: where a loop is.
final class TemplateLoopState {
  let node: TemplateLoop
  let items: [TemplateValue]
  var index = 0
  /// Nested calls of a recursive loop, from 0.
  let recursion: Int
  /// What `loop.changed` was last given.
  var lastChanged: [TemplateValue]?

  init(node: TemplateLoop, items: [TemplateValue], recursion: Int) {
    self.node = node
    self.items = items
    self.recursion = recursion
  }
}

/// Something that can be called.
enum TemplateCallable {
  enum Global: String, CaseIterable {
    case raiseException = "raise_exception"
    case strftimeNow = "strftime_now"
    case namespace
    case range
    case dictionary = "dict"
    case joiner
    case cycler
  }

  case global(Global)
  case macro(TemplateClosure)
  /// A member of a string, list or dictionary that can be called. It is known by name only until then.
  indirect case method(String, of: TemplateValue)
  case loop(TemplateLoopState)
  case loopMethod(String, TemplateLoopState)
  case joiner(TemplateJoiner)
  case cycler(TemplateCycler)

  var summary: String {
    switch self {
    case .global(let global): "the function '\(global.rawValue)'"
    case .macro(let closure): "the macro '\(closure.macro.name)'"
    case .method(let name, _): "the method '\(name)'"
    case .loop: "the loop"
    case .loopMethod(let name, _): "'loop.\(name)'"
    case .joiner: "a joiner"
    case .cycler: "a cycler"
    }
  }
}

/// A macro with the variables around it.
final class TemplateClosure {
  let macro: TemplateMacro
  let scopes: [[String: TemplateValue]]

  init(macro: TemplateMacro, scopes: [[String: TemplateValue]]) {
    self.macro = macro
    self.scopes = scopes
  }
}

/// `joiner(", ")`: empty when called first, its separator afterwards.
final class TemplateJoiner {
  let separator: String
  var isUsed = false

  init(separator: String) { self.separator = separator }
}

/// `cycler(…)`: its values one after the other.
final class TemplateCycler {
  let items: [TemplateValue]
  var index = 0

  init(items: [TemplateValue]) { self.items = items }
}
