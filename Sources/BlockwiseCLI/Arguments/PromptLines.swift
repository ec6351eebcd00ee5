import Blockwise

/// Prompts in a file: lines of text, or of `.jsonl` files the keys `messages` (with `tools`), `prompt`, or the beginning of `text`.
struct PromptLines {
  let path: String
  private let lines: [Substring]

  /// Tokens of a plain text that are its prompt.
  private static let openingCount = 16

  init(_ path: String) throws {
    self.path = path
    lines = TextInput.lines(try TextInput.text(try TextInput.file(path), from: path))
  }

  /// The prompts as a model reads them; empty lines are left out.
  func tokens(_ model: LanguageModel) throws -> [[TokenID]] {
    try lines.enumerated().filter { !$0.element.allSatisfy(\.isWhitespace) }
      .map { try prompt(String($0.element), line: $0.offset + 1, model) }
  }

  private func prompt(_ line: String, line number: Int, _ model: LanguageModel) throws -> [TokenID] {
    guard path.hasSuffix(".jsonl") else { return model.promptTokens(line) }
    func refuse(_ reason: String) -> StreamError {
      StreamError.cannotRead(file: path, reason: "line \(number): \(reason)")
    }
    do {
      let json = try JSONValue(parsing: Array(line.utf8))
      if let messages = try json.arrayIfPresent("messages") {
        let tools = try json.arrayIfPresent("tools").map { JSONValue.array($0) }
        return try model.chatTokens(
          try messages.map { try ChatMessage($0) }, options: ChatOptions(tools: tools))
      }
      if let prompt = try json.value("prompt")?.stringValue { return model.promptTokens(prompt) }
      if let text = try json.value("text")?.stringValue {
        return Array(model.promptTokens(text).prefix(Self.openingCount))
      }
      throw refuse("expected \"messages\", \"prompt\" or \"text\"")
    } catch let error as StreamError {
      throw error
    } catch {
      throw refuse("\(error)")
    }
  }
}
