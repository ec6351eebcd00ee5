import ArgumentParser
import Blockwise

/// `blockwise template`
struct TemplateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "template",
    abstract: "Turn messages into the prompt that a model's chat template makes of them.",
    discussion: """
      Reads JSON from standard input: an array of messages, or an object with 'messages' and what else the template \
      knows: 'tools', 'documents', other variables. Prints the text exactly; nothing is added to it. Only the \
      template and the tokenizer of the model are read, so a folder needs no weights.

      Examples:
        echo '[{"role": "user", "content": "Hello"}]' | blockwise template --model ~/models/Qwen3-0.6B
        blockwise template --model model.gguf --var enable_thinking=false --json < conversation.json
        blockwise template --template-file my.jinja --no-generation-prompt < conversation.json
      """)

  @OptionGroup var name: ModelName
  @OptionGroup var template: TemplateArguments

  @Flag(name: .long, help: "Do not begin the model's next message at the end.")
  var noGenerationPrompt = false

  @Flag(name: .long, help: "Print the template itself instead of messages.")
  var source = false

  @OptionGroup var output: OutputArguments

  func run() async throws {
    let sources = try ChatTemplateSources(path: try name.path())
    var options = try template.options()
    options.addsGenerationPrompt = !noGenerationPrompt
    if source { return try printSource(try sources.template(for: options, model: name.model), sources) }

    let input = try Self.conversation(try TextInput.standardInput())
    options.tools = input.tools
    let template = try sources.template(for: options, model: name.model)
    // Variables beside the messages are part of a request, which may know more than this template.
    for (key, value) in input.variables
    where options.variables[key] == nil && template.variableNames.contains(key)
      && !(noGenerationPrompt && key == "add_generation_prompt")
    {
      options.variables[key] = value
    }
    let tokenizer = try name.loadTokenizer()
    let text = try template.render(messages: input.messages, options: options, tokenizer: tokenizer)
    if output.json {
      // The template writes the beginning of the text itself: the tokenizer must not add a second one.
      let tokens = tokenizer.encode(text, addSpecialTokens: false)
      try StandardStream.output.write(json: [
        "text": .string(text), "tokens": .tokens(tokens), "template": .string(template.name),
      ])
    } else {
      try StandardStream.output.write(text)
    }
  }

  private func printSource(_ template: ChatTemplate, _ sources: ChatTemplateSources) throws {
    guard output.json else {
      return try StandardStream.output.write(
        template.source.hasSuffix("\n") ? template.source : template.source + "\n")
    }
    try StandardStream.output.write(json: [
      "template": .string(template.name), "source": .string(template.source),
      "names": .array(sources.names.map { .string($0) }),
      "variables": .array(template.variableNames.sorted().map { .string($0) }),
    ])
  }

  /// What stands on standard input.
  struct Conversation {
    var messages: JSONValue
    var tools: JSONValue?
    var variables: JSONObject
  }

  static func conversation(_ bytes: [UInt8]) throws -> Conversation {
    let value: JSONValue
    do {
      value = try JSONValue(parsing: bytes)
    } catch {
      throw UsageError("standard input is no JSON: \(error)")
    }
    var variables = JSONObject()
    var messages = value
    var tools: JSONValue?
    if case .object(let object) = value {
      guard let member = object["messages"] else {
        throw UsageError("standard input: the object has no 'messages'")
      }
      messages = member
      for (key, member) in object {
        switch key {
        case "messages": break
        case "tools": tools = member.isNull ? nil : member
        default: variables[key] = member
        }
      }
    }
    guard let elements = messages.arrayValue else {
      throw UsageError("standard input: the messages are \(messages.summary); expected an array")
    }
    for (index, element) in elements.enumerated() where element["role"]?.stringValue == nil {
      throw UsageError(
        "standard input: message \(index) is \(element.summary); expected an object with a 'role'")
    }
    return Conversation(messages: messages, tools: tools, variables: variables)
  }
}
