import BlockwiseFiles
import BlockwiseTestSupport
import BlockwiseText
import Testing

/// Renderings made with the reference library; every one has to agree in every byte, refusals included.
@Suite(.enabled(if: SharedData.root != nil))
struct TemplateParityTests {
  static let clock = TemplateClock(year: 2025, month: 3, day: 9, hour: 14, minute: 5, second: 6)

  @Test func `twelve published templates render every conversation as the reference does`() throws {
    let expected = try TokenizerFixtures.json("parity/chat/expected.json")
    let descriptions = try TokenizerFixtures.json("parity/chat/templates/templates.json")
    var templates: [String: ChatTemplate] = [:]
    for (name, description) in try #require(descriptions.objectValue) {
      let file = try description.string("file")
      let source = String(decoding: try SharedData.bytes("parity/chat/templates/\(file)"), as: UTF8.self)
      templates[name] = try ChatTemplate(source: source, name: name)
    }
    #expect(templates.count == 12)
    var rendered = 0
    var refused = 0
    for item in try expected.array("cases") {
      let name = try item.string("template")
      let template = try #require(templates[name])
      let conversation = try #require(expected["conversations"]?[try item.string("conversation")])
      var options = try item.object("options")
      let addsPrompt = options["add_generation_prompt"]?.boolValue ?? true
      options["add_generation_prompt"] = nil
      let label = "\(name), \(try item.string("conversation")), \(JSONValue.object(options))"
      let result = Result { () throws(TemplateError) in
        try template.render(
          messages: conversation["messages"] ?? .null, tools: conversation["tools"],
          addGenerationPrompt: addsPrompt, bosToken: descriptions[name]?["bos_token"]?.stringValue,
          eosToken: descriptions[name]?["eos_token"]?.stringValue, variables: options, clock: Self.clock)
      }
      if let text = item["expected"]?.stringValue {
        let ours = try? result.get()
        #expect(ours.map { Array($0.utf8) } == Array(text.utf8), "\(label): \(result)")
        rendered += 1
      } else {
        let reason = try item.string("error")
        guard case .failure(let error) = result else {
          Issue.record("\(label): expected \(reason), got \(result)")
          continue
        }
        // The text of an error is binding where it comes from the template itself.
        if reason.hasPrefix("TemplateError: ") {
          #expect(
            error == .refused(template: name, message: String(reason.dropFirst("TemplateError: ".count))),
            "\(label)")
        }
        refused += 1
      }
    }
    #expect(rendered == 210 && refused == 30)
  }

  @Test(arguments: [
    "llama-rope3", "llama-tied", "qwen2", "qwen3", "qwen3-yarn", "qwen3-moe", "mistral-window", "gemma2",
    "gemma3-text", "phi3-longrope", "gpt-neox", "smollm3",
  ])
  func `a checkpoint's own template and tokenizer give the reference's text and tokens`(name: String) throws {
    let folder = try SharedData.path("parity/models/\(name)")
    let tokenizer = try Tokenizer.load(folder: folder)
    let sources = try ChatTemplateSources(folder: folder)
    let template = try #require(try sources.template())
    let cases = try #require(
      try TokenizerFixtures.json("parity/models/\(name)/expected.json")["chat"]?.arrayValue)
    #expect(!cases.isEmpty)
    for item in cases {
      let text = try template.render(
        messages: try #require(item["messages"]), addGenerationPrompt: try item.bool("add_generation_prompt"),
        bosToken: tokenizer.bosToken.flatMap { tokenizer.spelling(of: $0) },
        eosToken: tokenizer.eosToken.flatMap { tokenizer.spelling(of: $0) })
      #expect(text == (try item.string("text")))
      #expect(tokenizer.encode(text, addSpecialTokens: false) == item["ids"]?.tokens)
    }
  }
}
