import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

@Suite(
  .enabled(
    if: CommandLineTool.isBuilt && CommandLineTool.model("llama") != nil,
    "the program blockwise or the model fixtures are missing"))
struct TemplateCommandTests {
  static func run(_ arguments: [String], _ input: String) throws -> CommandLineTool.Output {
    try CommandLineTool.run(["template"] + arguments, input: Array(input.utf8))
  }

  @Test(arguments: ["llama", "qwen2"])
  func `messages become the reference's prompt and tokens`(name: String) throws {
    let model = try #require(CommandLineTool.model(name))
    let expected = try JSONValue(
      parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: model + "/expected.json"))))
    for item in try expected.array("chat") {
      let flags = try item.bool("add_generation_prompt") ? [] : ["--no-generation-prompt"]
      let messages = try #require(item["messages"]).text()
      let plain = try Self.run(["--model", model] + flags, messages)
      #expect(plain.code == 0 && plain.errors == "", "\(plain.errors)")
      #expect(plain.text == (try item.string("text")))
      let json = try Self.run(["--model", model, "--json"] + flags, #"{"messages": \#(messages)}"#).json()
      #expect(try json.string("text") == plain.text)
      #expect(json["tokens"] == item["ids"])
    }
  }

  @Test func `a template of one's own, variables and tools reach the text`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    let folder = try TemporaryFolder()
    let file = try folder.write(
      "t.jinja", "{{ bos_token }}{{ a }}{{ b }}{{ enable_thinking }}{{ tools | length }}{{ c is defined }}\n")
    let output = try Self.run(
      ["--model", model, "--template-file", file, "--var", "a=[1]", "--var", "b=x=y", "--thinking", "off"],
      #"{"messages": [{"role": "user", "content": ""}], "tools": [{}], "c": 1, "model": "m", "temperature": 1}"#
    )
    #expect(output.text == "<|begin_of_text|>[1]x=yFalse1True", "\(output.errors)")
    let source = try Self.run(["--model", model, "--template-file", file, "--source", "--json"], "").json()
    #expect(try source.array("variables").contains("enable_thinking"))
  }

  @Test func `what cannot be done is refused with its reason`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    let folder = try TemporaryFolder()
    let refusing = try folder.write("r.jinja", "{{ raise_exception('no system role') }}")
    let unknown = try folder.write("u.jinja", "\n{% trans %}")
    let hello = #"[{"role": "user", "content": "Hi"}]"#
    let cases: [(arguments: [String], input: String, code: Int32, words: [String])] = [
      (["--thinking", "on"], hello, 64, ["thinking", "enable_thinking"]),
      (["--var", "zzz=1"], hello, 64, ["zzz"]), (["--var", "zzz"], hello, 64, ["NAME=VALUE"]),
      (["--template-name", "nope"], hello, 64, ["nope", "default"]),
      (["--template-file", refusing], hello, 1, ["r.jinja", "no system role"]),
      (["--template-file", unknown], hello, 1, ["u.jinja, line 2", "trans"]),
      (["--template-file", folder.path + "/none"], hello, 1, ["none"]),
      (["--template-file", refusing, "--template-name", "x"], hello, 64, ["either"]),
      ([], "[", 64, ["JSON"]), ([], "5", 64, ["array"]), ([], "[5]", 64, ["role"]),
      ([], "{}", 64, ["messages"]),
    ]
    for item in cases {
      let output = try Self.run(["--model", model] + item.arguments, item.input)
      #expect(output.code == item.code, "\(item.arguments) \(item.input): \(output.errors)")
      #expect(output.bytes.isEmpty)
      for word in item.words { #expect(output.errors.contains(word), "\(item.arguments): \(output.errors)") }
    }
  }

  @Test func `a model without a template says so and which models have one`() throws {
    let plain = try #require(CommandLineTool.model("mistral"))
    let output = try Self.run(["--model", plain], #"[{"role": "user", "content": "Hi"}]"#)
    #expect(output.code == 1)
    #expect(output.errors.contains("mistral") && output.errors.contains("instruct"), "\(output.errors)")
  }
}
