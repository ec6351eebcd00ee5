import Blockwise
import BlockwiseTestSupport
import Testing

/// Conversations on the small fixtures of the repository: prompts, reuse of the cache, ends of turns.
struct ConversationTests {
  static func model(_ name: String) async throws -> LanguageModel {
    try await LanguageModel.load(
      SharedData.packageFolder + "/Tests/Fixtures/models/" + name,
      options: ModelLoadOptions(compute: .f32, threadCount: 2))
  }

  static let options = GenerationOptions(maximumTokenCount: 5, ignoresEndOfText: true)

  @Test(arguments: ["llama", "qwen2"])
  func `each turn evaluates only what is new and answers as a fresh session does`(name: String) async throws {
    let model = try await Self.model(name)
    let session = try model.session()
    var conversation = Conversation([.system("Be kind.")])
    var known = 0
    for text in ["Hello", "Who are you?", "Bye"] {
      conversation.append(.user(text))
      let prompt = try conversation.prompt(for: model)
      let cached = try session.cachedTokens
      let common = zip(cached, prompt.tokens).prefix { $0 == $1 }.count
      let generation = try await session.complete(&conversation, options: Self.options)
      #expect(generation.statistics.cachedTokenCount == min(common, prompt.tokens.count - 1))
      // The whole of the cache goes on to be used where the template writes the answer as it was.
      if prompt.text.contains(conversation.messages.first { $0.role == .assistant }?.content ?? "") {
        #expect(generation.statistics.cachedTokenCount >= known)
      }
      let fresh = try await model.session().complete(
        tokens: prompt.tokens, options: model.chatGeneration(Self.options, conversation.options))
      #expect(fresh.tokens.map(\.token) == generation.tokens.map(\.token))
      known = prompt.tokens.count
    }
    #expect(conversation.messages.count == 7)
  }

  @Test func `an answer's own tokens go on to be used even where its text would be cut otherwise`()
    async throws
  {
    let model = try await Self.model("qwen2")
    var conversation = Conversation([.user("Hi")])
    let prompt = try conversation.prompt(for: model)
    // Single letters where the vocabulary has a longer token.
    let letters = try "then".map { try #require(model.tokenizer.token(String($0))) }
    #expect(model.tokenizer.encode("then", addSpecialTokens: false) != letters)
    conversation.append(answer: "then", tokens: letters, to: prompt, of: model)
    conversation.append(.user("More"))
    let next = try conversation.prompt(for: model)
    #expect(Array(next.tokens.prefix(prompt.tokens.count + 4)) == prompt.tokens + letters)
    #expect(model.tokenizer.decode(next.tokens) == next.text)
    // Cut at a stop string, the tokens say more than the text: then the text counts.
    var cut = Conversation([.user("Hi")])
    cut.append(answer: "the", tokens: letters, to: prompt, of: model)
    cut.append(.user("More"))
    let again = try cut.prompt(for: model)
    #expect(again.tokens == model.tokenizer.encode(again.text, addSpecialTokens: false))
  }

  @Test func `a template that rewrites earlier turns keeps the common front only`() async throws {
    let model = try await Self.model("qwen2")
    let template = try ChatTemplate(
      source: "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        + "{{ m.content.split('</think>')[-1] if not loop.last else m.content }}<|im_end|>\n{% endfor %}"
        + "<|im_start|>assistant{{ '\\n' }}")
    var conversation = Conversation([.user("Hi")], options: ChatOptions(template: template))
    let prompt = try conversation.prompt(for: model)
    let text = "hm</think>yes"
    let tokens = model.tokenizer.encode(text, addSpecialTokens: false)
    conversation.append(answer: text, tokens: tokens, to: prompt, of: model)
    conversation.append(.user("And?"))
    let next = try conversation.prompt(for: model)
    #expect(
      next.text
        == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nyes<|im_end|>\n<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n"
    )
    #expect(next.tokens == model.tokenizer.encode(next.text, addSpecialTokens: false))
    #expect(next.tokens.starts(with: prompt.tokens))
  }

  @Test func `the token behind the model's messages ends an answer`() async throws {
    let model = try await Self.model("qwen2")
    let token = try #require(model.turnEndToken())
    #expect(model.tokenizer.spelling(of: token) == "<|im_end|>")
    #expect(model.chatGeneration(GenerationOptions(), ChatOptions()).stopTokens.contains(token))
    #expect(model.chatGeneration(Self.options, ChatOptions()).stopTokens.isEmpty)
    let plain = try ChatTemplate(source: "{% for m in messages %}{{ m.content }}.{% endfor %}")
    #expect(model.turnEndToken(for: ChatOptions(template: plain)) == nil)
    let refusing = try ChatTemplate(source: "{{ raise_exception('no') }}")
    #expect(model.turnEndToken(for: ChatOptions(template: refusing)) == nil)
  }

  @Test func `a text begins with one token, never two`() async throws {
    let model = try await Self.model("llama")
    let tokens = try model.chatTokens([.user("Hello")])
    let first = try #require(model.tokenizer.bosToken)
    #expect(tokens.filter { $0 == first }.count == 1)
    #expect(tokens.first == first)
    #expect(model.tokenizer.encode("x").first == first)
  }

  @Test func `instructions can be set, changed and removed`() {
    var conversation = Conversation([.user("Hi")])
    #expect(conversation.system == nil)
    conversation.system = "One."
    conversation.system = "Two."
    #expect(conversation.messages == [.system("Two."), .user("Hi")])
    conversation.reset()
    #expect(conversation.messages == [.system("Two.")])
    conversation.system = nil
    #expect(conversation.messages.isEmpty)
  }

  @Test func `messages keep what else they hold`() throws {
    let json: JSONValue = ["role": "assistant", "content": nil, "tool_calls": [["id": "a"]]]
    let message = try ChatMessage(json)
    #expect(message.content == "" && message.members["tool_calls"] == [["id": "a"]])
    #expect(message.json == ["role": "assistant", "content": "", "tool_calls": [["id": "a"]]])
    #expect(throws: JSONKeyError.self) { try ChatMessage(["content": "x"]) }
    #expect(throws: JSONKeyError.self) { try ChatMessage(["role": "user", "content": 5]) }
  }

  @Test func `a model without template and unknown switches are refused by type`() async throws {
    let base = try await LanguageModel.load(SharedData.packageFolder + "/Tests/Fixtures/models/mistral")
    #expect(try base.chatTemplate == nil)
    #expect(throws: ChatError.noTemplate(model: base.path)) { try base.chatTokens([.user("Hi")]) }
    await #expect(throws: ChatError.self) {
      for try await _ in try base.session().generate([.user("Hi")]) {}
    }
    let model = try await Self.model("qwen2")
    let name = try #require(try model.chatTemplate).name
    #expect(throws: ChatError.unknownVariable("enable_thinking", template: name)) {
      try model.chatTokens([.user("Hi")], options: ChatOptions(isThinking: false))
    }
    #expect(throws: ChatError.noTemplateNamed("rag", names: ["default"])) {
      try model.chatTokens([.user("Hi")], options: ChatOptions(templateName: "rag"))
    }
  }
}
