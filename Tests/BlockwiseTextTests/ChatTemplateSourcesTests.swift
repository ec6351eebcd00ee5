import BlockwiseFiles
import BlockwiseTestSupport
import BlockwiseText
import Testing

struct ChatTemplateSourcesTests {
  @Test func `a folder's template is a file, a string, or one of a list`() throws {
    let folder = try TemporaryFolder()
    #expect(try ChatTemplateSources(folder: folder.path).isEmpty)
    try folder.write("tokenizer_config.json", #"{"chat_template": "string"}"#)
    #expect(try ChatTemplateSources(folder: folder.path).template()?.source == "string")
    try folder.write(
      "tokenizer_config.json",
      #"{"chat_template": [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]}"#)
    let sources = try ChatTemplateSources(folder: folder.path)
    #expect(sources.names == ["default", "tool_use"])
    #expect(try sources.template()?.source == "d")
    #expect(try sources.template(hasTools: true)?.source == "t")
    #expect(try sources.template(named: "tool_use")?.source == "t")
    #expect(try sources.template(named: "rag") == nil)
    try folder.write("chat_template.jinja", "file")
    #expect(try ChatTemplateSources(folder: folder.path).template()?.source == "file")
  }

  @Test func `a configuration without template has none, and one of another kind is refused`() throws {
    let folder = try TemporaryFolder()
    try folder.write("tokenizer_config.json", #"{"chat_template": null}"#)
    #expect(try ChatTemplateSources(folder: folder.path).template() == nil)
    for value in ["5", "[5]", #"[{"name": "x"}]"#, "{}"] {
      try folder.write("tokenizer_config.json", #"{"chat_template": \#(value)}"#)
      #expect(throws: TemplateError.self, "\(value)") {
        // Reading the places is no failure yet: the model can be used without a template.
        let sources = try? ChatTemplateSources(folder: folder.path)
        _ = try #require(sources).template()
      }
    }
    try folder.write("tokenizer_config.json", "{")
    #expect(throws: ModelFileError.self) { try ChatTemplateSources(folder: folder.path) }
  }

  @Test func `a GGUF file has a template and others by name`() throws {
    var builder = GGUFBuilder()
    builder.metadata = [
      ("general.architecture", .string("llama")), ("tokenizer.chat_template", .string("d")),
      ("tokenizer.chat_template.tool_use", .string("t")),
      ("tokenizer.chat_templates", .strings(["tool_use"])),
    ]
    let folder = try TemporaryFolder()
    let path = try folder.write("m.gguf", builder.bytes())
    let sources = try ChatTemplateSources(path: path)
    #expect(sources.names == ["default", "tool_use"])
    #expect(try sources.template(hasTools: true)?.source == "t")
    builder.metadata[1] = ("tokenizer.chat_template", .integer(Int32(5)))
    #expect(throws: TemplateError.self) {
      try ChatTemplateSources(path: try folder.write("n.gguf", builder.bytes())).template()
    }
  }

  @Test func `a template that is not understood is refused only when it is used`() throws {
    let sources = ChatTemplateSources([
      ChatTemplateSources.Source(place: "a", text: "ok"),
      ChatTemplateSources.Source(name: "bad", place: "b", text: "{% bad %}"),
    ])
    #expect(try sources.template()?.source == "ok")
    #expect(throws: TemplateError.unsupported(template: "b", line: 1, construct: "the tag 'bad'")) {
      try sources.template(named: "bad")
    }
  }

  @Test(arguments: ["llama", "qwen2"])
  func `a checkpoint's own template and tokenizer give the reference's text and tokens`(name: String) throws {
    let folder = SharedData.packageFolder + "/Tests/Fixtures/models/" + name
    let tokenizer = try Tokenizer.load(folder: folder)
    let template = try #require(try ChatTemplateSources(folder: folder).template())
    let file = try MappedFile(path: folder + "/expected.json")
    let expected = try withExtendedLifetime(file) { try JSONValue(parsing: file.bytes) }
    let cases = try expected.array("chat")
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
