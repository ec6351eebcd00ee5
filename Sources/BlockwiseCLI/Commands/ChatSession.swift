import Blockwise
import Foundation

/// A conversation at the command line: carries out what was typed.
final class ChatSession {
  let command: ChatCommand
  let model: LanguageModel
  private let session: Session
  private let interrupt: Interrupt
  private var conversation: Conversation
  private var isSamplingNoted = false
  private let decoding: GenerationOptions

  init(command: ChatCommand, model: LanguageModel, conversation: Conversation) throws {
    self.command = command
    self.model = model
    self.conversation = conversation
    decoding = try command.decoding()
    let session = try model.session()
    self.session = session
    interrupt = Interrupt(isRunning: false) { session.stop() }
  }

  /// Carries out one input; false ends the chat.
  func handle(_ input: ChatInput) async throws -> Bool {
    switch input {
    case .nothing: break
    case .quit: return false
    case .help: StandardStream.error.note(ChatInput.helpText)
    case .mistake(let reason): throw UsageError(reason)
    case .reset:
      conversation.reset()
      StandardStream.error.note("The conversation is forgotten.")
    case .system(let text): setSystem(text)
    case .save(let path):
      try save(path)
      StandardStream.error.note("\(counted(conversation.messages.count, "message")) written to \(path).")
    case .load(let path):
      try load(path)
      StandardStream.error.note("\(counted(conversation.messages.count, "message")) read from \(path).")
    case .message(let text): try await answer(text)
    }
    // What is left unanswered must not look like success.
    if interrupt.isEnding { throw CommandInterrupted() }
    return true
  }

  private func setSystem(_ text: String?) {
    guard let text else {
      return StandardStream.error.note(conversation.system ?? "There are no instructions.")
    }
    conversation.system = text.isEmpty ? nil : text
    StandardStream.error.note(text.isEmpty ? "The instructions are removed." : "The instructions are set.")
  }

  // MARK: Files

  private func save(_ path: String) throws {
    let messages = JSONValue.array(conversation.messages.map(\.json))
    // Tools belong to the conversation: without them the template would write other prompts.
    let value = conversation.options.tools.map { ["messages": messages, "tools": $0] } ?? messages
    var file = try AtomicFile(path: path)
    try file.write(value.bytes(.pretty) + [UInt8(ascii: "\n")])
    try file.finish()
  }

  private func load(_ path: String) throws {
    let value: JSONValue
    do {
      value = try JSONValue(parsing: try TextInput.file(path))
    } catch let error as JSONError {
      throw StreamError.cannotRead(file: path, reason: "it is no JSON: \(error)")
    }
    guard let elements = value.arrayValue ?? value["messages"]?.arrayValue else {
      throw StreamError.cannotRead(
        file: path,
        reason: "it holds \(value.summary); expected an array of messages or an object with 'messages'")
    }
    var messages: [ChatMessage] = []
    for (index, element) in elements.enumerated() {
      do {
        messages.append(try ChatMessage(element))
      } catch {
        throw StreamError.cannotRead(file: path, reason: "message \(index): \(error)")
      }
    }
    var options = conversation.options
    options.tools = value["tools"].flatMap { $0.isNull ? nil : $0 }
    let loaded = Conversation(messages, options: options)
    // What the template refuses is refused now, and the conversation stays as it was.
    _ = try loaded.prompt(for: model)
    conversation = loaded
  }

  // MARK: Answers

  private func answer(_ text: String) async throws {
    conversation.append(.user(text))
    let prompt: Conversation.Prompt
    let options: GenerationOptions
    let generation: Generation
    do {
      prompt = try conversation.prompt(for: model)
      options = model.chatGeneration(self.options, conversation.options)
      if !isSamplingNoted, let note = command.sampling.ineffective(options.sampling) {
        StandardStream.error.note("Note: \(note).")
      }
      isSamplingNoted = true
      generation = try await stream(prompt, options)
    } catch {
      // A message without an answer would spoil all that follow.
      conversation.removeLast()
      if case DecodingError.promptTooLong = error {
        throw ChatFailure("\(error); /reset forgets the conversation")
      }
      throw error
    }
    if generation.tokens.isEmpty, generation.finishReason == .cancelled {
      StandardStream.error.note("Stopped before an answer; the message is taken back.")
      conversation.removeLast()
      return
    }
    conversation.append(generation, to: prompt, of: model)
    try report(generation, options)
  }

  private var options: GenerationOptions {
    var options = GenerationOptions(
      method: decoding.method,
      maximumTokenCount: command.maxTokens.map { $0 < 0 ? nil : $0 }
        ?? model.generationConfiguration.maximumTokenCount,
      sampling: command.sampling.options(model.recommendedSampling),
      stopStrings: command.stop.map(GenerateCommand.unescaped))
    options.recipe = decoding.recipe
    options.draft = decoding.draft
    return options
  }

  private func stream(_ prompt: Conversation.Prompt, _ options: GenerationOptions) async throws -> Generation
  {
    interrupt.begin()
    let progress = ProgressLine("Reading the conversation")
    defer {
      progress.end()
      interrupt.end()
    }
    var result: Generation?
    let events = session.generate(tokens: prompt.tokens, options: options)
    // Asked before there was anything to stop.
    if interrupt.isInterrupted { session.stop() }
    for try await event in events {
      switch event {
      case .prefill(let done, let total): progress.update("Reading the conversation \(done)/\(total)")
      case .preview: break
      case .text(let piece, _):
        progress.end()
        if !command.output.json { try StandardStream.output.write(isTerminal ? Self.harmless(piece) : piece) }
      case .finished(let generation): result = generation
      }
    }
    guard let result else { throw CommandInterrupted() }
    return result
  }

  private let isTerminal = StandardStream.output.isTerminal

  /// A model may have learnt sequences that control a terminal: what it says is shown and not obeyed.
  static func harmless(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      let isControl = scalar.properties.generalCategory == .control && scalar != "\n" && scalar != "\t"
      result.append(isControl ? "\u{FFFD}" : scalar)
    }
    return String(result)
  }

  private func report(_ generation: Generation, _ options: GenerationOptions) throws {
    if command.output.json {
      let report = GenerationReport(
        generation: generation, tokenizer: model.tokenizer, seed: options.sampling.seed,
        showsLogProbabilities: command.sampling.logprobs != nil)
      var object = JSONObject()
      object["role"] = "assistant"
      for (key, value) in report.json.objectValue ?? JSONObject() {
        object[key] = value
        if key == "prompt_tokens" {
          object["evaluated_tokens"] = .integer(Int64(generation.statistics.prefilledTokenCount))
        }
      }
      try StandardStream.output.write(json: .object(object))
    } else {
      try StandardStream.output.write(generation.text.hasSuffix("\n") ? "" : "\n")
      if generation.finishReason == .length, StandardStream.output.isTerminal {
        StandardStream.error.note("(cut at the limit of tokens)")
      }
    }
    if command.stats {
      StandardStream.error.note(
        GenerationReport.summary(generation, model: model, sampling: options.sampling))
    }
  }
}

/// Why a message has no answer.
struct ChatFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
