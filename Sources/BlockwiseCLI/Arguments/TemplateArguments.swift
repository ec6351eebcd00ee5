import ArgumentParser
import Blockwise

/// Which chat template, and what it is told besides the messages.
struct TemplateArguments: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "A template of the model by name. (default: tool_use for tools where there is one, else default)",
      valueName: "name"))
  var templateName: String?

  @Option(
    name: .long, help: ArgumentHelp("A template of your own instead of the model's.", valueName: "file"),
    completion: .file())
  var templateFile: String?

  @Option(
    name: .customLong("var"),
    help: ArgumentHelp(
      "Set a variable of the template: JSON, or else text. Can be repeated.", valueName: "name=value"),
    transform: Variable.parse)
  var settings: [Variable] = []

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Whether the model thinks before it answers, where its template has that switch.", valueName: "on|off"))
  var thinking: Switch?

  enum Switch: String, CaseIterable, ExpressibleByArgument {
    case on, off
  }

  /// One `--var`.
  struct Variable {
    var name: String
    var value: JSONValue

    static func parse(_ text: String) throws -> Variable {
      guard let sign = text.firstIndex(of: "="), sign != text.startIndex else {
        throw ValidationError("write it as NAME=VALUE, such as enable_thinking=false")
      }
      let value = String(text[text.index(after: sign)...])
      // What is no JSON is meant as text: most strings need no quotes.
      return Variable(
        name: String(text[..<sign]), value: (try? JSONValue(parsing: value)) ?? .string(value))
    }
  }

  func validate() throws {
    if templateName != nil, templateFile != nil {
      throw ValidationError("give either --template-name or --template-file")
    }
    if thinking != nil, settings.contains(where: { $0.name == ChatOptions.thinkingVariable }) {
      throw ValidationError("give either --thinking or --var \(ChatOptions.thinkingVariable)")
    }
  }

  /// The option that asks for a template, if one does.
  var givenOption: String? {
    if templateName != nil { return "--template-name" }
    if templateFile != nil { return "--template-file" }
    if !settings.isEmpty { return "--var" }
    return thinking != nil ? "--thinking" : nil
  }

  /// The template itself, also where a file keeps it as JSON (`chat_template.json`, `tokenizer_config.json`).
  private static func template(_ text: String, _ file: String) throws -> String {
    guard file.hasSuffix(".json"), let value = try? JSONValue(parsing: Array(text.utf8)) else { return text }
    guard let template = value["chat_template"]?.stringValue else {
      throw UsageError("--template-file \(file): there is no string 'chat_template' in it")
    }
    return template
  }

  /// The library's options for these arguments.
  func options() throws -> ChatOptions {
    var options = ChatOptions(templateName: templateName, isThinking: thinking.map { $0 == .on })
    for setting in settings { options.variables[setting.name] = setting.value }
    if let templateFile {
      let text = try TextInput.text(try TextInput.file(templateFile), from: templateFile)
      options.template = try ChatTemplate(source: Self.template(text, templateFile), name: templateFile)
    }
    return options
  }
}
