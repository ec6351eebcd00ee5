import ArgumentParser
import Blockwise

/// Treating a prompt as a message of a conversation.
struct ChatArguments: ParsableArguments {
  @Flag(name: .long, help: "Treat the prompt as a message and let the model's chat template frame it.")
  var chat = false

  @Option(
    name: .long, help: ArgumentHelp("Instructions before the message; implies --chat.", valueName: "text"))
  var system: String?

  @OptionGroup var template: TemplateArguments

  /// Whether the prompt is a message. Whoever sets something of the template wants it used.
  var isChat: Bool { chat || system != nil || template.givenOption != nil }

  /// The library's options. Whether the model has what they ask for shows before its weights are read.
  func options(_ name: ModelName) throws -> ChatOptions {
    let options = try template.options()
    let template = try ChatTemplateSources(path: try name.path()).template(for: options, model: name.model)
    try template.check(options)
    return options
  }

  /// The message with its instructions.
  func messages(_ text: String) -> [ChatMessage] { (system.map { [.system($0)] } ?? []) + [.user(text)] }
}
