package import BlockwiseFiles

/// Reads keys of a config.json with checks: the value's kind, its range, and the file's name in every error.
package struct ConfigReader {
  let root: JSONValue
  let file: String

  package init(_ root: JSONValue, file: String) {
    self.root = root
    self.file = file
  }

  /// The same configuration with the values of `defaults` for keys that it does not have at all.
  func filling(_ defaults: JSONValue) -> ConfigReader {
    guard var object = root.objectValue, let defaults = defaults.objectValue else { return self }
    for (key, value) in defaults where object[key] == nil { object[key] = value }
    return ConfigReader(.object(object), file: file)
  }

  /// The same configuration with another value for a key, if there is one.
  func replacing(_ key: String, with value: JSONValue?) -> ConfigReader {
    guard let value, var object = root.objectValue else { return self }
    object[key] = value
    return ConfigReader(.object(object), file: file)
  }

  /// The value of the first of the keys that is there and not null.
  func value(_ keys: String...) -> JSONValue? { value(keys) }

  private func value(_ keys: [String]) -> JSONValue? {
    for key in keys {
      if let value = root.objectValue?[key], !value.isNull { return value }
    }
    return nil
  }

  /// A whole number in `range`; a float without fraction counts (some exporters write `4096.0`).
  func optionalInt(_ keys: String..., in range: ClosedRange<Int> = 1...1 << 40) throws -> Int? {
    guard let value = value(keys) else { return nil }
    let number: Int? =
      switch value {
      case .integer(let integer): Int(exactly: integer)
      case .number(let double): Int(exactly: double)
      default: nil
      }
    guard let number, range.contains(number) else {
      throw ModelError.key(
        keys[0], found: value.summary, expected: "a whole number in \(range.lowerBound)…\(range.upperBound)",
        file: file)
    }
    return number
  }

  func int(_ key: String, in range: ClosedRange<Int> = 1...1 << 40) throws -> Int {
    guard let number = try optionalInt(key, in: range) else { throw ModelError.keyMissing(key, file: file) }
    return number
  }

  func optionalDouble(_ keys: String..., positive: Bool = true) throws -> Double? {
    guard let value = value(keys) else { return nil }
    let number: Double? =
      switch value {
      case .integer(let integer): Double(integer)
      case .number(let double): double
      default: nil
      }
    guard let number, number.isFinite, !positive || number > 0 else {
      throw ModelError.key(
        keys[0], found: value.summary, expected: positive ? "a positive number" : "a number", file: file)
    }
    return number
  }

  func double(_ keys: String...) throws -> Double {
    for key in keys {
      if let number = try optionalDouble(key) { return number }
    }
    throw ModelError.keyMissing(keys[0], file: file)
  }

  func optionalBool(_ key: String) throws -> Bool? {
    guard let value = value(key) else { return nil }
    guard case .bool(let flag) = value else {
      throw ModelError.key(key, found: value.summary, expected: "true or false", file: file)
    }
    return flag
  }

  func optionalString(_ keys: String...) throws -> String? {
    guard let value = value(keys) else { return nil }
    guard case .string(let text) = value else {
      throw ModelError.key(keys[0], found: value.summary, expected: "a string", file: file)
    }
    return text
  }

  func strings(_ key: String) throws -> [String]? {
    guard let value = value(key) else { return nil }
    return try array(value, key).map { element in
      guard case .string(let text) = element else {
        throw ModelError.key(key, found: element.summary, expected: "an array of strings", file: file)
      }
      return text
    }
  }

  func doubles(_ key: String) throws -> [Double]? {
    guard let value = value(key) else { return nil }
    return try array(value, key).map { element in
      switch element {
      case .integer(let integer): return Double(integer)
      case .number(let double) where double.isFinite: return double
      default: throw ModelError.key(key, found: element.summary, expected: "an array of numbers", file: file)
      }
    }
  }

  func ints(_ key: String) throws -> [Int]? {
    guard let value = value(key) else { return nil }
    return try array(value, key).map { element in
      guard case .integer(let integer) = element, let number = Int(exactly: integer) else {
        throw ModelError.key(key, found: element.summary, expected: "an array of whole numbers", file: file)
      }
      return number
    }
  }

  private func array(_ value: JSONValue, _ key: String) throws -> [JSONValue] {
    guard case .array(let elements) = value else {
      throw ModelError.key(key, found: value.summary, expected: "an array", file: file)
    }
    return elements
  }

  /// The object under a key, read with the same checks.
  func object(_ key: String) throws -> ConfigReader? {
    guard let value = value(key) else { return nil }
    guard case .object = value else {
      throw ModelError.key(key, found: value.summary, expected: "an object", file: file)
    }
    return ConfigReader(value, file: "\(file): \(key)")
  }
}
