internal import BlockwiseFiles

/// JSON in answers: when it is valid, when it equals other JSON, when it fits the schemas of the tasks.
enum AnsweredJSON {
  /// The value of a text that is JSON and nothing else but spaces around it, without a repeated key.
  static func value(of answer: String) -> JSONValue? {
    Array(answer.trimmed.utf8).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      guard let value = try? value(from: &reader), (try? reader.finish()) != nil else { return nil }
      return value
    }
  }

  private struct RepeatedKey: Error {}

  private static func value(from reader: inout JSONReader) throws -> JSONValue {
    switch try reader.peekKind() {
    case .object:
      var object = JSONObject()
      try reader.beginObject()
      while let range = try reader.nextKey() {
        let key = reader.string(range)
        guard object[key] == nil else { throw RepeatedKey() }
        object[key] = try value(from: &reader)
      }
      return .object(object)
    case .array:
      var elements: [JSONValue] = []
      try reader.beginArray()
      while try reader.nextElement() { elements.append(try value(from: &reader)) }
      return .array(elements)
    default: return try JSONValue(reading: &reader)
    }
  }

  /// Objects without order, numbers by value.
  static func isSame(_ a: JSONValue, _ b: JSONValue) -> Bool {
    switch (a, b) {
    case (.object(let a), .object(let b)):
      a.count == b.count && a.allSatisfy { member in b[member.key].map { isSame(member.value, $0) } ?? false }
    case (.array(let a), .array(let b)): a.count == b.count && zip(a, b).allSatisfy { isSame($0, $1) }
    case (.integer(let a), .number(let b)), (.number(let b), .integer(let a)): Int64(exactly: b) == a
    default: a == b
    }
  }

  /// The part of JSON Schema that the tasks use: `type`, `properties`, `required`, `enum`, `minimum`, `maximum`, `items`,
  /// `minItems`, `maxItems`.
  static func fits(_ value: JSONValue, schema: JSONValue) -> Bool {
    guard case .object(let schema) = schema else { return true }
    if case .string(let type)? = schema["type"], !has(value, type: type) { return false }
    if case .array(let values)? = schema["enum"], !values.contains(where: { isSame($0, value) }) {
      return false
    }
    switch value {
    case .integer, .number:
      guard let number = value.numberValue else { return false }
      return number >= schema["minimum"].flatMap(\.numberValue) ?? number
        && number <= schema["maximum"].flatMap(\.numberValue) ?? number
    case .array(let items):
      let count = Double(items.count)
      return count >= schema["minItems"].flatMap(\.numberValue) ?? 0
        && count <= schema["maxItems"].flatMap(\.numberValue) ?? count
        && items.allSatisfy { fits($0, schema: schema["items"] ?? .null) }
    case .object(let members):
      if case .array(let required)? = schema["required"],
        !required.allSatisfy({ if case .string(let key) = $0 { members[key] != nil } else { false } })
      {
        return false
      }
      guard case .object(let known)? = schema["properties"] else { return true }
      return members.allSatisfy { fits($0.value, schema: known[$0.key] ?? .null) }
    case .null, .bool, .string: return true
    }
  }

  private static func has(_ value: JSONValue, type: String) -> Bool {
    switch (type, value) {
    case ("object", .object), ("array", .array), ("string", .string), ("boolean", .bool), ("null", .null),
      ("number", .integer), ("number", .number), ("integer", .integer):
      true
    case ("integer", .number(let number)): number == number.rounded()
    default: false
    }
  }
}
