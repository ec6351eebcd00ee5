internal import BlockwiseFiles

/// Reads the options of one component of a `tokenizer.json` and knows where it stands, for error messages.
struct ComponentReader {
  let value: JSONValue
  let path: String

  /// The name of the component's kind.
  var kind: String {
    get throws { try string("type") }
  }

  func string(_ key: String) throws -> String {
    try convert(key, "a string") { $0.stringValue }
  }

  func bool(_ key: String, default fallback: Bool) throws -> Bool {
    guard let found = value[key], !found.isNull else { return fallback }
    return try convert(key, "true or false") { _ in found.boolValue }
  }

  func count(_ key: String) throws -> Int {
    try convert(key, "a number that is not negative") { value in
      value.integerValue.flatMap { $0 >= 0 ? $0 : nil }
    }
  }

  /// The components in an array.
  func components(_ key: String) throws -> [ComponentReader] {
    let elements = try convert(key, "an array") { $0.arrayValue }
    return elements.enumerated().map { ComponentReader(value: $1, path: "\(path).\(key)[\($0)]") }
  }

  func component(_ key: String) throws -> ComponentReader {
    let found = try convert(key, "an object") { $0.objectValue == nil ? nil : $0 }
    return ComponentReader(value: found, path: "\(path).\(key)")
  }

  /// A literal of at least one scalar.
  func literal(_ key: String) throws -> [UInt8] {
    try convert(key, "a string that is not empty") { value in
      value.stringValue.flatMap { $0.isEmpty ? nil : Array($0.utf8) }
    }
  }

  /// `{"String": …}` or `{"Regex": …}`.
  func pattern(_ key: String) throws -> (text: String, isExpression: Bool) {
    let pattern = try component(key)
    if let text = pattern.value["Regex"]?.stringValue { return (text, true) }
    let text = try pattern.string("String")
    if text.isEmpty { throw pattern.invalid("String", expected: "a string that is not empty") }
    return (text, false)
  }

  /// A string that has to be one of a fixed set.
  func choice<T: RawRepresentable & CaseIterable>(
    _ key: String, default fallback: T? = nil
  ) throws -> T where T.RawValue == String {
    if let fallback, value[key] == nil { return fallback }
    let names = T.allCases.map(\.rawValue)
    return try convert(key, "one of \(names.joined(separator: ", "))") { value in
      value.stringValue.flatMap { T(rawValue: $0) }
    }
  }

  /// The error for a kind that is not implemented.
  func unsupported(_ component: String, _ supported: [String]) throws -> TokenizerError {
    .unsupported(component: component, kind: try kind, supported: supported)
  }

  func invalid(_ key: String, expected: String) -> TokenizerError {
    .invalidValue(key: "\(path).\(key)", found: value[key]?.summary ?? "nothing", expected: expected)
  }

  private func convert<T>(_ key: String, _ expected: String, _ body: (JSONValue) -> T?) throws -> T {
    guard value.objectValue != nil else {
      throw TokenizerError.invalidValue(key: path, found: value.summary, expected: "an object")
    }
    guard let found = value[key] else { throw TokenizerError.missingKey("\(path).\(key)") }
    guard let result = body(found) else { throw invalid(key, expected: expected) }
    return result
  }
}
