extension JSONValue {
  // MARK: Without a path

  /// The string, or nil if this is none.
  public var stringValue: String? {
    if case .string(let string) = self { string } else { nil }
  }

  /// The boolean, or nil if this is none.
  public var boolValue: Bool? {
    if case .bool(let bool) = self { bool } else { nil }
  }

  /// The whole number, however written (`2`, `2.0`), or nil if this is none or does not fit.
  public var integerValue: Int? {
    switch self {
    case .integer(let integer): Int(exactly: integer)
    case .number(let number): Int(exactly: number)
    default: nil
    }
  }

  /// The number as a double, or nil if this is none.
  public var numberValue: Double? {
    switch self {
    case .integer(let integer): Double(integer)
    case .number(let number): number
    default: nil
    }
  }

  /// The elements, or nil if this is no array.
  public var arrayValue: [JSONValue]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  /// The object, or nil if this is none.
  public var objectValue: JSONObject? {
    if case .object(let object) = self { object } else { nil }
  }

  /// Whether this is `null`.
  public var isNull: Bool { self == .null }

  // MARK: By path, missing allowed

  /// The value at the end of a path of keys; nil if a key of the path is missing or null, so that a model's
  /// configuration may leave out a whole section.
  ///
  /// - Throws: ``JSONKeyError`` if something on the way is neither an object nor null.
  public func value(_ path: String...) throws(JSONKeyError) -> JSONValue? { try find(path) }

  /// A string; nil if missing or null. Throws if it is something else.
  public func stringIfPresent(_ path: String...) throws(JSONKeyError) -> String? {
    try find(path, as: "a string", \.stringValue)
  }

  /// A boolean; nil if missing or null. Throws if it is something else.
  public func boolIfPresent(_ path: String...) throws(JSONKeyError) -> Bool? {
    try find(path, as: "true or false", \.boolValue)
  }

  /// A whole number; nil if missing or null. Throws if it is something else.
  public func integerIfPresent(_ path: String...) throws(JSONKeyError) -> Int? {
    try find(path, as: "a whole number", \.integerValue)
  }

  /// A number; nil if missing or null. Throws if it is something else.
  public func numberIfPresent(_ path: String...) throws(JSONKeyError) -> Double? {
    try find(path, as: "a number", \.numberValue)
  }

  /// An array; nil if missing or null. Throws if it is something else.
  public func arrayIfPresent(_ path: String...) throws(JSONKeyError) -> [JSONValue]? {
    try find(path, as: "an array", \.arrayValue)
  }

  /// An object; nil if missing or null. Throws if it is something else.
  public func objectIfPresent(_ path: String...) throws(JSONKeyError) -> JSONObject? {
    try find(path, as: "an object", \.objectValue)
  }

  // MARK: By path, required

  /// A string that has to be there.
  public func string(_ path: String...) throws(JSONKeyError) -> String {
    try require(path, "a string", \.stringValue)
  }

  /// A boolean that has to be there.
  public func bool(_ path: String...) throws(JSONKeyError) -> Bool {
    try require(path, "true or false", \.boolValue)
  }

  /// A whole number that has to be there.
  public func integer(_ path: String...) throws(JSONKeyError) -> Int {
    try require(path, "a whole number", \.integerValue)
  }

  /// A number that has to be there.
  public func number(_ path: String...) throws(JSONKeyError) -> Double {
    try require(path, "a number", \.numberValue)
  }

  /// An array that has to be there.
  public func array(_ path: String...) throws(JSONKeyError) -> [JSONValue] {
    try require(path, "an array", \.arrayValue)
  }

  /// An object that has to be there.
  public func object(_ path: String...) throws(JSONKeyError) -> JSONObject {
    try require(path, "an object", \.objectValue)
  }

  // MARK: In words

  /// A short description for error messages: `the string "yarn"`, `an array of 3`.
  public var summary: String {
    switch self {
    case .null: "null"
    case .bool(let bool): "\(bool)"
    case .integer(let integer): "\(integer)"
    case .number(let number): "\(number)"
    case .string(let string):
      "the string \"" + (string.count > 40 ? string.prefix(40) + "…" : string[...]) + "\""
    case .array(let elements): "an array of \(elements.count)"
    case .object(let object): "an object with \(object.count) keys"
    }
  }

  private func find(_ path: [String]) throws(JSONKeyError) -> JSONValue? {
    var value = self
    for (index, key) in path.enumerated() {
      guard case .object(let object) = value else {
        throw JSONKeyError(
          keyPath: index == 0 ? "(top)" : path[..<index].joined(separator: "."), found: value.summary,
          expected: "an object")
      }
      guard let next = object[key], !next.isNull else { return nil }
      value = next
    }
    return value
  }

  private func find<T>(
    _ path: [String], as expected: String, _ convert: (JSONValue) -> T?
  ) throws(JSONKeyError) -> T? {
    guard let value = try find(path) else { return nil }
    guard let result = convert(value) else {
      throw JSONKeyError(keyPath: path.joined(separator: "."), found: value.summary, expected: expected)
    }
    return result
  }

  private func require<T>(
    _ path: [String], _ expected: String, _ convert: (JSONValue) -> T?
  ) throws(JSONKeyError) -> T {
    guard let result = try find(path, as: expected, convert) else {
      throw JSONKeyError(keyPath: path.joined(separator: "."), found: "nothing", expected: expected)
    }
    return result
  }
}
