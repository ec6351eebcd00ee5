import Blockwise

/// Prompts in a file: lines of text, or of `.jsonl` files the keys `messages` (with `tools`), `prompt`, or the beginning of `text`. Standard
/// input is JSON where its first line begins with a brace.
struct PromptLines {
  let path: String
  private let lines: [Substring]
  private let isJSON: Bool

  /// Tokens of a plain text that are its prompt.
  private static let openingCount = 16

  init(_ path: String) throws {
    self.path = path
    var text = try TextInput.text(try TextInput.file(path), from: path)
    // What some editors put before a text is no part of it.
    if text.unicodeScalars.first == "\u{FEFF}" { text.unicodeScalars.removeFirst() }
    lines = TextInput.lines(text)
    isJSON = path == "-" ? text.first == "{" : path.lowercased().hasSuffix(".jsonl")
  }

  /// The prompts as a model reads them; empty lines are left out.
  func tokens(_ model: LanguageModel) throws -> [[TokenID]] {
    try lines.enumerated().filter { !$0.element.allSatisfy(\.isWhitespace) }
      .map { try prompt(String($0.element), line: $0.offset + 1, model) }
  }

  private func prompt(_ line: String, line number: Int, _ model: LanguageModel) throws -> [TokenID] {
    guard isJSON else { return model.promptTokens(line) }
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
