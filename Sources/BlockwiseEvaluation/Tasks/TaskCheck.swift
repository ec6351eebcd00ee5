public import BlockwiseFiles

/// The rule that judges the answer to a held-out task, as `training/data/README.md` words it.
public enum TaskCheck: Sendable, Hashable {
  /// The items of a list.
  case list(ListCheck)
  /// A square in which every row and column has every symbol once.
  case latinSquare(symbols: Set<String>)
  /// The integer behind the last `Answer:`.
  case number(Int)
  /// The text, without spaces around it, is one of these.
  case text([String])
  /// JSON with this value.
  case json(JSONValue)
  /// A JSON object that fits a schema and has these members.
  case schema(JSONValue, facts: JSONObject)
  /// A call of a tool.
  case toolCall(name: String, arguments: JSONValue)
  /// Python that passes statements.
  case python(tests: [String])

  /// Reads a rule: an object with `kind` and what that kind needs.
  /// - Throws: ``BlockwiseFiles/JSONKeyError``.
  public init(_ json: JSONValue) throws(JSONKeyError) {
    let kind = try json.string("kind")
    switch kind {
    case "list": self = .list(try ListCheck(json))
    case "latin_square":
      self = .latinSquare(symbols: Set(try Self.strings(json, "symbols")))
    case "number": self = .number(try json.integer("expected"))
    case "text": self = .text([try json.string("expected")])
    case "one_of": self = .text(try Self.strings(json, "expected"))
    case "json":
      if let expected = try json.value("expected") {
        self = .json(expected)
      } else {
        self = .schema(
          .object(try json.object("schema")), facts: try json.objectIfPresent("facts") ?? JSONObject())
      }
    case "tool_call":
      self = .toolCall(name: try json.string("name"), arguments: .object(try json.object("arguments")))
    case "python": self = .python(tests: try Self.strings(json, "tests"))
    default:
      throw JSONKeyError(
        keyPath: "kind", found: "'\(kind)'", expected: "a kind of check that this version knows")
    }
  }

  /// Whether the rule needs the answer to be run as a program; ``accepts(_:)`` does not do that.
  public var needsCode: Bool {
    if case .python = self { true } else { false }
  }

  /// Whether an answer is right. Answers that have to be run never are: that is ``PythonRunner``'s business.
  public func accepts(_ answer: String) -> Bool {
    switch self {
    case .list(let check): check.accepts(answer)
    case .latinSquare(let symbols): Self.isLatinSquare(answer, symbols: symbols)
    case .number(let expected): Self.number(in: answer) == expected
    case .text(let expected): expected.contains(answer.trimmed)
    case .json(let expected):
      AnsweredJSON.value(of: answer).map { AnsweredJSON.isSame($0, expected) } ?? false
    case .schema(let schema, let facts): Self.fits(answer, schema: schema, facts: facts)
    case .toolCall(let name, let arguments): Self.isCall(answer, name: name, arguments: arguments)
    case .python: false
    }
  }

  private static func fits(_ answer: String, schema: JSONValue, facts: JSONObject) -> Bool {
    guard let value = AnsweredJSON.value(of: answer), case .object(let object) = value,
      AnsweredJSON.fits(value, schema: schema)
    else { return false }
    return facts.allSatisfy { fact in object[fact.key].map { AnsweredJSON.isSame($0, fact.value) } ?? false }
  }

  private static func isLatinSquare(_ answer: String, symbols: Set<String>) -> Bool {
    let rows = answer.split(separator: "\n", omittingEmptySubsequences: false)
      .map { line in line.split(separator: ",", omittingEmptySubsequences: false).map { String($0).trimmed } }
      .filter { $0.count == symbols.count && Set($0) == symbols }
      .prefix(symbols.count)
    guard rows.count == symbols.count else { return false }
    return (0..<symbols.count).allSatisfy { column in Set(rows.map { $0[column] }) == symbols }
  }

  /// The integer behind the last `Answer:` that has one, with any spaces between.
  private static func number(in answer: String) -> Int? {
    var rest = answer[...]
    var found: Int?
    while let mark = rest.firstRange(of: "Answer:") {
      rest = rest[mark.upperBound...]
      let digits = rest.drop { $0 == " " }
      let sign = digits.first == "-" ? "-" : ""
      let number = digits.dropFirst(sign.count).prefix { $0.isASCII && $0.isNumber }
      // A number beyond the range of the machine is none that was asked for.
      if !number.isEmpty { found = Int(sign + number) ?? .min }
    }
    return found
  }

  private static func isCall(_ answer: String, name: String, arguments: JSONValue) -> Bool {
    let text = answer.trimmed
    let (opening, closing) = ("<tool_call>", "</tool_call>")
    guard text.hasPrefix(opening), text.hasSuffix(closing), text.count >= opening.count + closing.count else {
      return false
    }
    let inner = String(text.dropFirst(opening.count).dropLast(closing.count))
    let expected: JSONValue = ["name": .string(name), "arguments": arguments]
    return AnsweredJSON.value(of: inner).map { AnsweredJSON.isSame($0, expected) } ?? false
  }

  static func strings(_ json: JSONValue, _ key: String) throws(JSONKeyError) -> [String] {
    var result: [String] = []
    for element in try json.array(key) {
      guard let string = element.stringValue else {
        throw JSONKeyError(keyPath: key, found: "\(element.text())", expected: "an array of strings")
      }
      result.append(string)
    }
    return result
  }
}

extension String {
  /// Without white space at both ends.
  var trimmed: String {
    let start = drop { $0.isWhitespace }
    return String(start.prefix(start.count - start.reversed().prefix { $0.isWhitespace }.count))
  }
}
