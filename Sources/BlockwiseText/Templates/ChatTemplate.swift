public import BlockwiseFiles

/// Turns the messages of a conversation into the text that a model was trained on.
///
/// Checkpoints bring such templates in the language Jinja. What they use of it is understood: tags `if`, `for`, `set`,
/// `macro`, `call`, `filter`, `with`, `break`, `continue`, `raw`; expressions with members, slices, calls, filters and
/// tests; white space control. What is not is refused by name and line when the template is read.
///
/// ```
/// let template = try ChatTemplate(source: "{% for m in messages %}…{% endfor %}")
/// let text = try template.render(messages: [["role": "user", "content": "Hello"]])
/// ```
///
/// A template is a program that somebody else wrote: it runs within ``TemplateLimits``, touches nothing but the values
/// it is given, and ends in a ``TemplateError`` where it cannot go on.
public struct ChatTemplate: Sendable {
  /// What messages and errors call it.
  public let name: String
  /// The text of the template.
  public let source: String
  /// Names that the template refers to and does not necessarily set itself, such as `enable_thinking`.
  public let variableNames: Set<String>
  private let statements: [TemplateStatement]

  /// Reads a template.
  ///
  /// - Throws: ``TemplateError``: something in it is no template or not supported.
  public init(source: String, name: String = "the chat template") throws(TemplateError) {
    guard source.utf8.count <= TemplateLimits.sourceByteCount else {
      throw .limit(template: name, line: 1, exceeded: "\(TemplateLimits.sourceByteCount) bytes")
    }
    var lexer = TemplateLexer(source, template: name)
    var parser = TemplateParser(try lexer.run(), template: name)
    statements = try parser.run()
    variableNames = parser.names
    self.name = name
    self.source = source
  }

  /// The text of a conversation.
  ///
  /// - Parameters:
  ///   - messages: an array of objects with `role` and `content`, and what else the template knows.
  ///   - tools: an array of function descriptions, or nil for none.
  ///   - addGenerationPrompt: whether to end with the beginning of the model's next message.
  ///   - bosToken: the written form of the token that begins a text.
  ///   - eosToken: the written form of the token that ends a text.
  ///   - variables: more variables for the template, such as `enable_thinking`; they win over all others.
  ///   - clock: the time for templates that write the date; nil is the present.
  ///   - limits: how much the template may do.
  /// - Throws: ``TemplateError/refused(template:message:)`` when the template does not accept the messages, other
  ///   cases of ``TemplateError`` when it cannot go on.
  public func render(
    messages: JSONValue, tools: JSONValue? = nil, addGenerationPrompt: Bool = true, bosToken: String? = nil,
    eosToken: String? = nil, variables: JSONObject = JSONObject(), clock: TemplateClock? = nil,
    limits: TemplateLimits = TemplateLimits()
  ) throws(TemplateError) -> String {
    var values: [String: TemplateValue] = [
      "messages": TemplateValue(messages),
      // Defined in any case, as in the library that the templates are written for.
      "tools": tools.map { TemplateValue($0) } ?? .none,
      "documents": .none,
      "add_generation_prompt": .bool(addGenerationPrompt),
    ]
    if let bosToken { values["bos_token"] = .string(bosToken) }
    if let eosToken { values["eos_token"] = .string(eosToken) }
    for (key, value) in variables { values[key] = TemplateValue(value) }
    let renderer = TemplateRenderer(
      template: name, variables: values, limits: limits, clock: clock ?? .now)
    for value in values.values { try renderer.checkDepth(value) }
    _ = try renderer.execute(statements)
    return renderer.output
  }
}
