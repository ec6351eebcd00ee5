public import BlockwiseFiles
public import BlockwiseText

extension LanguageModel {
  /// The chat template that the model brings, or nil if it has none.
  ///
  /// - Throws: ``TemplateError``: the template is not understood.
  public var chatTemplate: ChatTemplate? { get throws { try chatTemplates.template() } }

  /// The chat template that options ask for.
  ///
  /// - Throws: ``ChatError``, ``TemplateError``.
  public func chatTemplate(for options: ChatOptions) throws -> ChatTemplate {
    try chatTemplates.template(for: options, model: path)
  }

  /// The prompt that the chat template makes of messages.
  ///
  /// - Throws: ``ChatError``, ``TemplateError``.
  public func chatText(_ messages: [ChatMessage], options: ChatOptions = ChatOptions()) throws -> String {
    try chatTemplate(for: options).render(messages, options: options, tokenizer: tokenizer)
  }

  /// The tokens of the prompt that the chat template makes of messages.
  ///
  /// The template writes the tokens that begin a text itself where the model wants them; none is added.
  /// Special tokens in the text count as such, those in the contents of messages too, as in the library that the
  /// templates are written for.
  /// - Throws: ``ChatError``, ``TemplateError``.
  public func chatTokens(_ messages: [ChatMessage], options: ChatOptions = ChatOptions()) throws -> [TokenID]
  {
    tokenizer.encode(try chatText(messages, options: options), addSpecialTokens: false)
  }
}

extension ChatTemplateSources {
  /// The template that options ask for.
  ///
  /// - Parameter model: what messages call the model.
  /// - Throws: ``ChatError``, ``TemplateError``.
  public func template(for options: ChatOptions, model: String) throws -> ChatTemplate {
    if let template = options.template { return template }
    if let template = try template(named: options.templateName, hasTools: options.tools != nil) {
      return template
    }
    if let name = options.templateName ?? (isEmpty ? nil : Self.defaultName), !isEmpty {
      throw ChatError.noTemplateNamed(name, names: names)
    }
    throw ChatError.noTemplate(model: model)
  }
}

extension ChatTemplate {
  /// Renders messages with options; see ``LanguageModel/chatText(_:options:)``.
  ///
  /// - Throws: ``ChatError``, ``TemplateError``.
  public func render(
    _ messages: [ChatMessage], options: ChatOptions, tokenizer: Tokenizer
  ) throws -> String {
    try render(messages: .array(messages.map(\.json)), options: options, tokenizer: tokenizer)
  }

  /// Renders messages in the form of chat services with options.
  ///
  /// - Throws: ``ChatError``, ``TemplateError``.
  public func render(messages: JSONValue, options: ChatOptions, tokenizer: Tokenizer) throws -> String {
    try check(options)
    var variables = options.variables
    if let isThinking = options.isThinking { variables[ChatOptions.thinkingVariable] = .bool(isThinking) }
    return try render(
      messages: messages, tools: options.tools, addGenerationPrompt: options.addsGenerationPrompt,
      bosToken: tokenizer.bosToken.flatMap { tokenizer.spelling(of: $0) },
      eosToken: tokenizer.eosToken.flatMap { tokenizer.spelling(of: $0) }, variables: variables,
      clock: options.clock)
  }

  /// Checks that the template looks at every variable that options set: none is ignored.
  ///
  /// - Throws: ``ChatError/unknownVariable(_:template:)``.
  public func check(_ options: ChatOptions) throws(ChatError) {
    var keys = options.variables.keys
    if options.isThinking != nil { keys.append(ChatOptions.thinkingVariable) }
    for key in keys where !variableNames.contains(key) { throw .unknownVariable(key, template: name) }
  }
}
