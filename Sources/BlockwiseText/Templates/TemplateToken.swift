/// A word of a template: text outside tags, a delimiter, or a word inside a tag.
struct TemplateToken {
  enum Kind: Equatable {
    /// Text outside tags, white space control applied.
    case text(String)
    /// `{{`
    case outputBegin
    /// `}}`
    case outputEnd
    /// `{%`
    case tagBegin
    /// `%}`
    case tagEnd
    case name(String)
    case string(String)
    case integer(Int)
    case float(Double)
    case symbol(String)
    case end
  }

  var kind: Kind
  /// From 1.
  var line: Int

  /// The token in words, for messages.
  var summary: String {
    switch kind {
    case .text: "text"
    case .outputBegin: "'{{'"
    case .outputEnd: "'}}'"
    case .tagBegin: "'{%'"
    case .tagEnd: "'%}'"
    case .name(let name): "'\(name)'"
    case .string: "a string"
    case .integer(let number): "\(number)"
    case .float(let number): "\(number)"
    case .symbol(let symbol): "'\(symbol)'"
    case .end: "the end of the template"
    }
  }
}
