public import BlockwiseFiles
public import BlockwiseText

/// What a chat template is told besides the messages.
public struct ChatOptions: Sendable {
  /// The variable by which templates switch thinking on and off.
  public static let thinkingVariable = "enable_thinking"

  /// A template of the model by name; nil takes `tool_use` for tools where there is one, else `default`.
  public var templateName: String?
  /// A template to use in place of the model's.
  public var template: ChatTemplate?
  /// Descriptions of functions that the model may call, an array.
  public var tools: JSONValue?
  /// Whether the model thinks before it answers; nil leaves it to the template. Refused where the template has no
  /// such switch.
  public var isThinking: Bool?
  /// Whether the text ends with the beginning of the model's next message.
  public var addsGenerationPrompt: Bool
  /// More variables for the template. Those that it does not know are refused.
  public var variables: JSONObject
  /// The time for templates that write the date; nil is the present.
  public var clock: TemplateClock?

  /// Options with defaults: the model's template as it is.
  public init(
    templateName: String? = nil, template: ChatTemplate? = nil, tools: JSONValue? = nil,
    isThinking: Bool? = nil, addsGenerationPrompt: Bool = true, variables: JSONObject = JSONObject(),
    clock: TemplateClock? = nil
  ) {
    self.templateName = templateName
    self.template = template
    self.tools = tools
    self.isThinking = isThinking
    self.addsGenerationPrompt = addsGenerationPrompt
    self.variables = variables
    self.clock = clock
  }
}

/// Why messages cannot become a prompt.
public enum ChatError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The model brings no chat template.
  case noTemplate(model: String)
  /// The model brings templates, but none of that name.
  case noTemplateNamed(String, names: [String])
  /// The template never looks at a variable that is to be set.
  case unknownVariable(String, template: String)

  /// What is missing and what to do.
  public var description: String {
    switch self {
    case .noTemplate(let model):
      "the model \(model) has no chat template: it continues text and does not take messages; models that were "
        + "trained for conversations (most are called 'instruct' or 'chat') bring one"
    case .noTemplateNamed(let name, let names):
      "the model has no chat template '\(name)'; it has \(names.joined(separator: ", "))"
    case .unknownVariable(ChatOptions.thinkingVariable, let template):
      "thinking cannot be switched: \(template) never looks at '\(ChatOptions.thinkingVariable)'"
    case .unknownVariable(let name, let template): "\(template) never looks at a variable '\(name)'"
    }
  }
}
