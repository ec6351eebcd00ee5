extension JSONValue: CustomStringConvertible {
  /// How ``text(_:)`` lays a value out.
  public enum Layout: Sendable, Hashable {
    /// On one line, without white space.
    case compact
    /// One member or element per line, indented by two spaces.
    case pretty
  }

  /// The value as JSON text.
  ///
  /// Members keep their order. Characters beyond ASCII are written as they are. A double that is not finite has no
  /// form in JSON and is written as `null`, as ECMAScript does.
  public func text(_ layout: Layout = .compact) -> String {
    String(decoding: bytes(layout), as: UTF8.self)
  }

  /// The value as UTF-8 bytes of JSON text; see ``text(_:)``.
  public func bytes(_ layout: Layout = .compact) -> [UInt8] {
    var bytes: [UInt8] = []
    write(to: &bytes, indentation: layout == .pretty ? 0 : nil)
    return bytes
  }

  /// The value on one line.
  public var description: String { text() }

  private func write(to bytes: inout [UInt8], indentation: Int?) {
    switch self {
    case .null: bytes.append(contentsOf: "null".utf8)
    case .bool(let bool): bytes.append(contentsOf: (bool ? "true" : "false").utf8)
    case .integer(let integer): bytes.append(contentsOf: String(integer).utf8)
    case .number(let number):
      // The shortest decimal that reads back as the same double.
      bytes.append(contentsOf: (number.isFinite ? number.description : "null").utf8)
    case .string(let string): JSONValue.write(string, to: &bytes)
    case .array(let elements):
      bytes.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        JSONValue.startItem(index, to: &bytes, indentation: indentation)
        element.write(to: &bytes, indentation: indentation.map { $0 + 2 })
      }
      JSONValue.endItems(elements.count, to: &bytes, indentation: indentation)
      bytes.append(UInt8(ascii: "]"))
    case .object(let object):
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in object.enumerated() {
        JSONValue.startItem(index, to: &bytes, indentation: indentation)
        JSONValue.write(member.key, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        if indentation != nil { bytes.append(0x20) }
        member.value.write(to: &bytes, indentation: indentation.map { $0 + 2 })
      }
      JSONValue.endItems(object.count, to: &bytes, indentation: indentation)
      bytes.append(UInt8(ascii: "}"))
    }
  }

  private static func startItem(_ index: Int, to bytes: inout [UInt8], indentation: Int?) {
    if index > 0 { bytes.append(UInt8(ascii: ",")) }
    if let indentation { startLine(to: &bytes, indentation: indentation + 2) }
  }

  private static func endItems(_ count: Int, to bytes: inout [UInt8], indentation: Int?) {
    if count > 0, let indentation { startLine(to: &bytes, indentation: indentation) }
  }

  private static func startLine(to bytes: inout [UInt8], indentation: Int) {
    bytes.append(0x0A)
    bytes.append(contentsOf: repeatElement(0x20, count: indentation))
  }

  private static func write(_ string: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for byte in string.utf8 {
      switch byte {
      case UInt8(ascii: "\""): bytes.append(contentsOf: "\\\"".utf8)
      case UInt8(ascii: "\\"): bytes.append(contentsOf: "\\\\".utf8)
      case 0x08: bytes.append(contentsOf: "\\b".utf8)
      case 0x09: bytes.append(contentsOf: "\\t".utf8)
      case 0x0A: bytes.append(contentsOf: "\\n".utf8)
      case 0x0C: bytes.append(contentsOf: "\\f".utf8)
      case 0x0D: bytes.append(contentsOf: "\\r".utf8)
      case 0..<0x20:
        bytes.append(contentsOf: (byte < 0x10 ? "\\u000" : "\\u00").utf8)
        bytes.append(contentsOf: String(byte, radix: 16).utf8)
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
