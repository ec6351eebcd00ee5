public import BlockwiseFiles

/// The rule of a task whose answer is a list (after the list tasks of ParallelBench, arXiv 2510.04767).
public struct ListCheck: Sendable, Hashable {
  /// What the items have to be.
  public enum Rule: Sendable, Hashable {
    /// These.
    case equal([String])
    /// Those of the input with one more item anywhere.
    case insertAny(String, into: [String])
    /// Those of the input without one of them.
    case removeAny(from: [String])
    /// Those of the input with one of them replaced.
    case replaceAny(with: String, in: [String])
    /// Those of the input in another order.
    case shuffle([String])
  }

  /// What the items have to be.
  public var rule: Rule

  /// Reads `rule` with `expected`, or with `input` and `item`.
  /// - Throws: ``BlockwiseFiles/JSONKeyError``.
  public init(_ json: JSONValue) throws(JSONKeyError) {
    let name = try json.string("rule")
    switch name {
    case "equal": rule = .equal(try TaskCheck.strings(json, "expected"))
    case "insert_any":
      rule = .insertAny(try json.string("item"), into: try TaskCheck.strings(json, "input"))
    case "remove_any": rule = .removeAny(from: try TaskCheck.strings(json, "input"))
    case "replace_any":
      rule = .replaceAny(with: try json.string("item"), in: try TaskCheck.strings(json, "input"))
    case "shuffle": rule = .shuffle(try TaskCheck.strings(json, "input"))
    default:
      throw JSONKeyError(
        keyPath: "rule", found: "'\(name)'", expected: "a rule for lists that this version knows")
    }
  }

  /// Whether the list of an answer obeys the rule.
  public func accepts(_ answer: String) -> Bool {
    guard var items = Self.items(of: answer) else { return false }
    switch rule {
    case .equal(let expected): return items == expected
    case .insertAny(let item, let input):
      guard let index = items.firstIndex(of: item) else { return false }
      items.remove(at: index)
      return items == input
    case .removeAny(let input):
      return input.indices.contains { input[..<$0] + input[($0 + 1)...] == items[...] }
    case .replaceAny(let item, var input):
      guard items.count == input.count, let index = items.firstIndex(of: item) else { return false }
      input[index] = item
      return items == input
    case .shuffle(let input): return items.sorted() == input.sorted() && items != input
    }
  }

  /// The items between the last `[` and the `]` behind it, without quotes; nil where there is no `[`.
  static func items(of answer: String) -> [String]? {
    guard let start = answer.lastIndex(of: "[") else { return nil }
    let items = answer[answer.index(after: start)...].prefix { $0 != "]" }
      .split(separator: ",", omittingEmptySubsequences: false)
      .map { item in
        let quoted = String(item).trimmed.drop { $0 == "\"" || $0 == "'" }
        let trailing = quoted.reversed().prefix { $0 == "\"" || $0 == "'" }.count
        return String(quoted.dropLast(trailing)).trimmed
      }
    return items == [""] ? [] : items
  }

  /// Whether an answer is nothing but `["a", "b"]`, double quotes, one space behind every comma.
  public static func isStrict(_ answer: String) -> Bool {
    let text = answer.trimmed
    guard text.hasPrefix("["), text.hasSuffix("]"), text.count >= 2 else { return false }
    let inner = text.dropFirst().dropLast()
    if inner.isEmpty { return true }
    guard inner.hasPrefix("\""), inner.hasSuffix("\""), inner.count >= 2 else { return false }
    let joined = String(inner.dropFirst().dropLast())
    return joined.replacing("\", \"", with: "").contains("\"") == false
  }
}
