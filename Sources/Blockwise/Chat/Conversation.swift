public import BlockwiseFiles
internal import BlockwiseText
internal import Foundation

/// A conversation: its messages, and how they become prompts of which a session's cache knows as much as possible.
///
/// ```swift
/// var conversation = Conversation([.system("You are terse.")])
/// conversation.append(.user("Name three colours."))
/// let generation = try await session.complete(&conversation)   // its text is the last message now
/// ```
///
/// Templates see texts, caches hold tokens. Where the new prompt's text begins with the last prompt and its answer, its
/// tokens do too: the answer is not cut into tokens anew, which could give others than the model chose. Where the
/// template writes earlier turns differently (most leave out what a model thought), the common front remains.
public struct Conversation: Sendable {
  /// A prompt as text and tokens.
  public struct Prompt: Sendable, Hashable {
    /// What the template made of the messages.
    public var text: String
    /// The tokens of the text.
    public var tokens: [TokenID]
  }

  /// The messages, the oldest first.
  public private(set) var messages: [ChatMessage]
  /// What the template is told besides the messages.
  public var options: ChatOptions
  /// The last prompt with its answer.
  private var last: Prompt?

  /// A conversation that begins with the given messages.
  public init(_ messages: [ChatMessage] = [], options: ChatOptions = ChatOptions()) {
    self.messages = messages
    self.options = options
  }

  /// Adds a message.
  public mutating func append(_ message: ChatMessage) { messages.append(message) }

  /// Takes the last message back.
  @discardableResult
  public mutating func removeLast() -> ChatMessage? { messages.popLast() }

  /// The instructions before the conversation; setting nil removes them.
  public var system: String? {
    get { messages.first.flatMap { $0.role == .system ? $0.content : nil } }
    set {
      if messages.first?.role == .system { messages.removeFirst() }
      if let newValue { messages.insert(.system(newValue), at: 0) }
    }
  }

  /// Forgets all messages but the instructions.
  public mutating func reset() { messages = system.map { [.system($0)] } ?? [] }

  /// The prompt for the model's next message.
  ///
  /// - Throws: ``ChatError``, ``TemplateError``.
  public func prompt(for model: LanguageModel) throws -> Prompt {
    let text = try model.chatText(messages, options: options)
    let tokens = continuation(of: text, model.tokenizer)
    return Prompt(text: text, tokens: tokens ?? model.tokenizer.encode(text, addSpecialTokens: false))
  }

  /// The tokens of a text that goes on where the last answer ended, or nil if it does not.
  private func continuation(of text: String, _ tokenizer: Tokenizer) -> [TokenID]? {
    guard let last, text.utf8.starts(with: last.text.utf8) else { return nil }
    let rest = String(decoding: text.utf8.dropFirst(last.text.utf8.count), as: UTF8.self)
    let tokens = tokenizer.encode(rest, addSpecialTokens: false)
    // Only at a special token is it certain that nothing of the answer joins what follows it.
    guard let first = tokens.first, tokenizer.isSpecial(first),
      let spelling = tokenizer.spelling(of: first), rest.utf8.starts(with: spelling.utf8)
    else { return nil }
    return last.tokens + tokens
  }

  /// Adds the model's answer to a prompt.
  public mutating func append(_ generation: Generation, to prompt: Prompt, of model: LanguageModel) {
    append(answer: generation.text, tokens: generation.tokens.map(\.token), to: prompt, of: model)
  }

  /// Adds an answer by its text and the tokens that the cache has seen of it.
  package mutating func append(
    answer: String, tokens: [TokenID], to prompt: Prompt, of model: LanguageModel
  ) {
    messages.append(.assistant(answer))
    // The tokens of an answer that was cut at a stop string or hides special tokens say more than its text.
    var detokenizer = model.tokenizer.makeDetokenizer(skipSpecialTokens: false)
    for token in prompt.tokens { _ = detokenizer.append(token) }
    var text = ""
    for token in tokens { text += detokenizer.append(token) }
    text += detokenizer.finish()
    let isWhole = text.utf8.elementsEqual(answer.utf8)
    last = isWhole ? Prompt(text: prompt.text + text, tokens: prompt.tokens + tokens) : nil
  }
}

extension LanguageModel {
  /// The special token that the chat template writes behind the model's messages, if it does.
  ///
  /// It ends a message also where the checkpoint names only the token that ends a text.
  public func turnEndToken(for options: ChatOptions = ChatOptions()) -> TokenID? {
    var options = options
    options.addsGenerationPrompt = false
    let marker = "Marker"
    // A template may refuse this conversation, and then says nothing about its turns.
    guard
      let text = try? chatText([.user("Hello"), .assistant(marker)], options: options),
      let place = text.range(of: marker, options: .backwards)
    else { return nil }
    let rest = String(text[place.upperBound...])
    guard let token = tokenizer.encode(rest, addSpecialTokens: false).first, tokenizer.isSpecial(token),
      let spelling = tokenizer.spelling(of: token), rest.utf8.starts(with: spelling.utf8)
    else { return nil }
    return token
  }
}

extension Session {
  /// Answers messages by the model's chat template. Tokens that the cache holds already are not evaluated again.
  ///
  /// The token that ends a turn in the template ends the answer too.
  public func generate(
    _ messages: [ChatMessage], chat: ChatOptions = ChatOptions(),
    options: GenerationOptions = GenerationOptions()
  ) -> AsyncThrowingStream<SessionEvent, any Error> {
    do {
      let prompt = try Conversation(messages, options: chat).prompt(for: model)
      return generate(tokens: prompt.tokens, options: model.chatGeneration(options, chat))
    } catch {
      return AsyncThrowingStream { $0.finish(throwing: error) }
    }
  }

  /// Answers the conversation and adds the answer to it.
  public func complete(
    _ conversation: inout Conversation, options: GenerationOptions = GenerationOptions()
  ) async throws -> Generation {
    let prompt = try conversation.prompt(for: model)
    let generation = try await complete(
      tokens: prompt.tokens, options: model.chatGeneration(options, conversation.options))
    conversation.append(generation, to: prompt, of: model)
    return generation
  }
}

extension LanguageModel {
  /// Options that also end at the end of a turn.
  public func chatGeneration(_ options: GenerationOptions, _ chat: ChatOptions) -> GenerationOptions {
    var options = options
    if !options.ignoresEndOfText, let token = turnEndToken(for: chat) { options.stopTokens.insert(token) }
    return options
  }
}
