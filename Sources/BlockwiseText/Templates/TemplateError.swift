/// Why a chat template could not be read or refused to render.
public enum TemplateError: Error, Sendable, Hashable {
  /// The text is no template: what stands in a line and what would be right there.
  case syntax(template: String, line: Int, found: String, expected: String)
  /// A tag, filter, test, function or method that this version does not know.
  case unsupported(template: String, line: Int, construct: String)
  /// The template does something with the messages that cannot be done, such as reading a field that is not there.
  case evaluation(template: String, line: Int, reason: String)
  /// The template itself says that it does not accept these messages (`raise_exception`).
  case refused(template: String, message: String)
  /// The template needs more work, text or depth than it is allowed.
  case limit(template: String, line: Int, exceeded: String)
  /// A value in a model's files that should hold a template does not.
  case invalidSource(file: String, found: String, expected: String)
}

extension TemplateError: CustomStringConvertible {
  /// One line: which template, where, and what is wrong.
  public var description: String {
    switch self {
    case .syntax(let template, let line, let found, let expected):
      "\(template), line \(line): expected \(expected), found \(found)"
    case .unsupported(let template, let line, let construct):
      "\(template), line \(line): \(construct) is not supported"
    case .evaluation(let template, let line, let reason): "\(template), line \(line): \(reason)"
    case .refused(let template, let message): "\(template) refuses the messages: \(message)"
    case .limit(let template, let line, let exceeded):
      "\(template), line \(line): the template exceeds \(exceeded)"
    case .invalidSource(let file, let found, let expected):
      "\(file): the chat template is \(found); expected \(expected)"
    }
  }
}
