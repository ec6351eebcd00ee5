import BlockwiseFiles
import BlockwiseTestSupport
import BlockwiseText
import Testing

/// Damaged templates end in a typed error or in a text, never in a trap, a hang or a flood.
struct TemplateMutationTests {
  /// Templates to damage: those of the language's tests in one piece each, and the published ones where they are.
  static func sources() throws -> [String] {
    var sources: [String] = []
    for line in TemplateLanguageTests.cases.split(separator: "\n") {
      sources.append(try #require(try JSONValue(parsing: String(line))[0]?.stringValue))
    }
    let published = SharedData.names(in: "parity/chat/templates").filter { $0.hasSuffix(".jinja") }
    for name in published {
      sources.append(String(decoding: try SharedData.bytes("parity/chat/templates/\(name)"), as: UTF8.self))
    }
    return sources
  }

  /// Words that make mutations meet more than the lexer.
  static let words = [
    "{{", "}}", "{%", "%}", "{#", "-%}", "(", ")", "[", "]", "{", "}", "|", ".", ",", ":", "=", "==", "~",
    "*", "**",
    "//", "-", "not ", " in ", " is ", " if ", " else ", "loop", "loop(", "messages", "range(9999999)",
    "namespace(",
    "9223372036854775807", "-1", "::", "[::-1]", "'", "\"", "\\", "caller()", "{% endfor %}", "{% endif %}",
    "{% for x in messages %}", "{% macro m(x) %}", "{% endmacro %}", "m(m)", "|tojson", "|list",
    "|map('list')",
    "|sort", "|join", "* 1000000", "\u{0}", "é", "\u{1F642}",
  ]

  static func mutated(_ source: String, _ random: inout SplitMix) -> String {
    var bytes = Array(source.utf8)
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      let place = Int.random(in: 0...bytes.count, using: &random)
      switch Int.random(in: 0..<5, using: &random) {
      case 0: bytes = random.damaged(bytes)
      case 1, 2: bytes.insert(contentsOf: (words.randomElement(using: &random) ?? "").utf8, at: place)
      case 3:
        let end = min(bytes.count, place + Int.random(in: 1...30, using: &random))
        bytes.removeSubrange(place..<end)
      default:
        // A stretch of the template in another place.
        let start = Int.random(in: 0...bytes.count, using: &random)
        let end = min(bytes.count, start + Int.random(in: 1...60, using: &random))
        bytes.insert(contentsOf: Array(bytes[start..<end]), at: place)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test(arguments: 0..<8)
  func `twenty thousand damaged templates end in a text or a typed error`(part: Int) throws {
    let sources = try Self.sources()
    let variables = try #require(try JSONValue(parsing: TemplateLanguageTests.variables).objectValue)
    let limits = TemplateLimits(stepCount: 100_000, textByteCount: 1 << 20)
    var rendered = 0
    for index in 0..<2500 {
      let seed = UInt64(part * 100_000 + index)
      var random = SplitMix(seed: seed)
      let source = Self.mutated(sources.randomElement(using: &random) ?? "", &random)
      // Every error is typed: the compiler sees to that. A trap would end the run.
      if let template = try? ChatTemplate(source: source),
        let text = try? template.render(
          messages: variables["messages"] ?? .null, bosToken: "<s>", variables: variables, limits: limits)
      {
        #expect(text.utf8.count <= 1 << 20, "seed \(seed)")
        rendered += 1
      }
    }
    // Many damages are harmless; were there none, the test would only look at the lexer.
    #expect(rendered > 100)
  }
}
