/// A JSON text as a tree of values, for texts of up to some megabytes: configurations, requests, schemas.
///
/// Whole numbers that fit 64 bits stay exact; objects keep the order of their members; of members with the same
/// key the last one counts.
///
/// ```
/// let config = try JSONValue(parsing: bytes)
/// let width = try config.integer("hidden_size")                        // throws unless it is there
/// let factor = try config.numberIfPresent("rope_scaling", "factor")    // nil if a key is missing or null
/// ```
public indirect enum JSONValue: Sendable, Hashable {
  /// `null`
  case null
  /// `true` or `false`
  case bool(Bool)
  /// A number written without fraction and exponent that fits 64 bits.
  case integer(Int64)
  /// Any other number, rounded to the nearest double.
  case number(Double)
  /// A string of Unicode scalars.
  case string(String)
  /// An array.
  case array([JSONValue])
  /// An object, in the order of the text.
  case object(JSONObject)

  /// Parses a whole text; see ``JSONReader`` for the grammar and its limits.
  ///
  /// - Throws: ``JSONError`` with the place of the first fault.
  public init(parsing bytes: UnsafeRawBufferPointer) throws(JSONError) {
    var reader = JSONReader(bytes)
    self = try JSONValue(reading: &reader)
    try reader.finish()
  }

  /// Parses a whole text.
  ///
  /// - Throws: ``JSONError`` with the place of the first fault.
  public init(parsing bytes: [UInt8]) throws(JSONError) {
    let result = bytes.withUnsafeBytes { bytes in
      Result { () throws(JSONError) in try JSONValue(parsing: bytes) }
    }
    self = try result.get()
  }

  /// Parses a whole text.
  ///
  /// - Throws: ``JSONError`` with the place of the first fault.
  public init(parsing text: String) throws(JSONError) {
    try self.init(parsing: Array(text.utf8))
  }

  /// Reads the value that comes next.
  package init(reading reader: inout JSONReader) throws(JSONError) {
    switch try reader.peekKind() {
    case .null:
      try reader.readNull()
      self = .null
    case .bool: self = .bool(try reader.readBool())
    case .number:
      let number = try reader.readNumber()
      self = number.integer.map { .integer(Int64($0)) } ?? .number(number.value)
    case .string:
      let range = try reader.readString()
      self = .string(reader.string(range))
    case .array:
      var elements: [JSONValue] = []
      try reader.beginArray()
      while try reader.nextElement() { elements.append(try JSONValue(reading: &reader)) }
      self = .array(elements)
    case .object:
      var object = JSONObject()
      try reader.beginObject()
      while let key = try reader.nextKey() {
        object[reader.string(key)] = try JSONValue(reading: &reader)
      }
      self = .object(object)
    }
  }

  /// The member of an object, or nil if this is no object or has no such member.
  public subscript(key: String) -> JSONValue? {
    guard case .object(let object) = self else { return nil }
    return object[key]
  }

  /// The element of an array, or nil if this is no array or has no such element.
  public subscript(index: Int) -> JSONValue? {
    guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
    return elements[index]
  }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  /// `null`
  public init(nilLiteral: ()) { self = .null }
  /// `true` or `false`
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// A whole number.
  public init(integerLiteral value: Int64) { self = .integer(value) }
  /// A number.
  public init(floatLiteral value: Double) { self = .number(value) }
  /// A string.
  public init(stringLiteral value: String) { self = .string(value) }
  /// An array.
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  /// An object with its members in the order written; of equal keys the last one counts.
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    var object = JSONObject()
    for (key, value) in elements { object[key] = value }
    self = .object(object)
  }
}
