import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

/// `chat` and `generate --chat` by pipes, with checkpoints whose random weights talk nonsense.
@Suite(
  .enabled(
    if: CommandLineTool.isBuilt && CommandLineTool.model("qwen2") != nil,
    "the program blockwise or the model fixtures are missing"))
struct ChatCommandTests {
  static func chat(
    _ arguments: [String], _ input: String, model: String = "qwen2", environment: [String: String] = [:]
  ) throws -> CommandLineTool.Output {
    try CommandLineTool.run(
      [
        "chat", "--model", try #require(CommandLineTool.model(model)), "--compute", "f32", "--temperature",
        "0",
        "--max-tokens", "6",
      ] + arguments, input: Array(input.utf8), environment: environment)
  }

  static func answers(_ output: CommandLineTool.Output) throws -> [JSONValue] {
    try #require(output.code == 0, "\(output.errors)")
    return try output.text.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
  }

  @Test func `each line is a message, and each answer one object`() throws {
    let answers = try Self.answers(try Self.chat(["--json"], "Hello\n\nWhat is \\\nthis?\n"))
    #expect(answers.count == 2)
    for answer in answers {
      #expect(try answer.string("role") == "assistant")
      #expect(try answer.array("tokens").count <= 6)
    }
  }

  @Test func `later answers evaluate only what is new`() throws {
    let answers = try Self.answers(try Self.chat(["--json"], "Hello\nAgain\nAnd again\n"))
    var known = 0
    for answer in answers {
      let prompt = try answer.integer("prompt_tokens")
      let committed = try answer.array("tokens").count
      #expect(try answer.integer("evaluated_tokens") == prompt - known)
      // All of the prompt and the answer but its last token, which nobody has looked at yet.
      known = prompt + max(0, committed - 1)
    }
    #expect(known > 0)
  }

  @Test func `a chat answers as a fresh generation with the same messages does`() throws {
    let folder = try TemporaryFolder()
    let file = folder.path + "/c.json"
    let lines = "Hello\nAgain\n/save \(file)\n"
    // Random weights prefer broken characters, which text cannot carry from one process to the other.
    var letters: [String] = []
    for letter in ["x", "q", "z"] {
      let model = try #require(CommandLineTool.model("qwen2"))
      let ids = try CommandLineTool.run(
        ["tokenize", "--no-special", "--model", model], input: Array(letter.utf8))
      letters += ["--logit-bias", ids.text.trimmingCharacters(in: .newlines) + "=inf"]
    }
    let second = try Self.answers(try Self.chat(["--json", "--system", "Be kind."] + letters, lines))[1]
    #expect(try !second.string("text").isEmpty)
    let saved = try JSONValue(parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: file))))
    let messages = try #require(saved.arrayValue)
    #expect(
      try messages.map { try $0.string("role") } == ["system", "user", "assistant", "user", "assistant"])
    #expect(messages[4]["content"] == second["text"])
    // The same conversation without its last answer, in a new process that knows nothing.
    let front = JSONValue.array(Array(messages.dropLast(2)))
    let load = try folder.write("front.json", front.text())
    let again = try Self.answers(try Self.chat(["--json"] + letters, "/load \(load)\nAgain\n"))[0]
    #expect(try again.integer("evaluated_tokens") == again.integer("prompt_tokens"))
    #expect(again["text"] == second["text"])
    #expect(again["tokens"] == second["tokens"])
  }

  @Test func `commands change the conversation`() throws {
    let folder = try TemporaryFolder()
    let output = try Self.chat(
      ["--system", "One."],
      """
      /system
      Hello
      /reset
      /save \(folder.path)/a.json
      /system Two.
      Hi
      /system -
      /save \(folder.path)/b.json
      /help
      /quit
      never seen
      """)
    #expect(output.code == 0, "\(output.errors)")
    func roles(_ name: String) throws -> [String] {
      let path = URL(fileURLWithPath: folder.path + "/" + name)
      return try #require(try JSONValue(parsing: [UInt8](Data(contentsOf: path))).arrayValue).map {
        try $0.string("role")
      }
    }
    #expect(try roles("a.json") == ["system"])
    #expect(try roles("b.json") == ["user", "assistant"])
    #expect(output.errors.contains("One.") && output.errors.contains("/load FILE"))
  }

  @Test func `without a terminal the first failure ends the program`() throws {
    let folder = try TemporaryFolder()
    let broken = try folder.write("broken.json", "[")
    let odd = try folder.write("odd.json", "[{\"content\": 5}]")
    let cases: [(input: String, code: Int32, word: String)] = [
      ("/nope\nHello\n", 64, "/nope"), ("/save\n", 64, "file"), ("/load \(folder.path)/none\n", 1, "none"),
      ("/load \(broken)\n", 1, "JSON"), ("/load \(odd)\n", 1, "role"),
      ("/save \(folder.path)/no/where.json\n", 1, "where.json"), ("/save \(folder.path)\n", 1, "directory"),
      (String(repeating: "long ", count: 400) + "\n", 1, "/reset"),
    ]
    for item in cases {
      let output = try Self.chat([], item.input)
      #expect(output.code == item.code, "\(item.input.prefix(40)): \(output.errors)")
      #expect(output.errors.contains(item.word), "\(item.input.prefix(40)): \(output.errors)")
      #expect(output.bytes.isEmpty)
    }
    #expect(try folder.names() == ["broken.json", "odd.json"])
  }

  @Test func `a model without a template refuses to chat before its weights are read`() throws {
    let plain = try #require(CommandLineTool.model("mistral"))
    let output = try CommandLineTool.run(["chat", "--model", plain], input: Array("Hello\n".utf8))
    #expect(output.code == 1)
    #expect(
      output.errors.contains("no chat template") && output.errors.contains("instruct"), "\(output.errors)")
    let thinking = try Self.chat(["--thinking", "off"], "Hello\n")
    #expect(thinking.code == 64)
    #expect(thinking.errors.contains("thinking"), "\(thinking.errors)")
  }

  @Test func `a model that fills masks chats`() throws {
    let output = try Self.chat(["--max-tokens", "12"], "Hi\n", model: "dream")
    #expect(output.code == 0, "\(output.errors)")
  }

  @Test func `lines that are no text are refused by their number`() throws {
    let model = try #require(CommandLineTool.model("qwen2"))
    for (bytes, word) in [([0x61, 0x0A, 0xFF, 0x0A] as [UInt8], "UTF-8"), ([0x61, 0x0A, 0x00], "NUL")] {
      let output = try CommandLineTool.run(
        ["chat", "--model", model, "--max-tokens", "2", "--json"], input: bytes)
      #expect(output.code == 64)
      #expect(output.errors.contains("line 2") && output.errors.contains(word), "\(output.errors)")
      #expect(output.text.split(separator: "\n").count == 1)
    }
    let windows = try Self.answers(try Self.chat(["--json"], "Hello\r\nAgain"))
    #expect(windows.count == 2)
    #expect(windows[0]["tokens"] == (try Self.answers(try Self.chat(["--json"], "Hello\n"))[0]["tokens"]))
  }

  @Test func `nothing is written into the history when lines are piped`() throws {
    let folder = try TemporaryFolder()
    let output = try Self.chat([], "Hello\n", environment: ["XDG_CACHE_HOME": folder.path])
    #expect(output.code == 0, "\(output.errors)")
    #expect(try folder.names().isEmpty)
  }

  // MARK: generate

  static func generate(_ arguments: [String], model: String = "llama") throws -> JSONValue {
    let output = try CommandLineTool.run(
      [
        "generate", "--model", try #require(CommandLineTool.model(model)), "--json", "--compute", "f32",
        "--temperature", "0", "--max-tokens", "4",
      ] + arguments)
    try #require(output.code == 0, "\(output.errors)")
    return try output.json()
  }

  @Test func `generate takes a prompt as it is unless it is asked to chat`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    func promptTokens(_ messages: String) throws -> [Int] {
      let output = try CommandLineTool.run(
        ["template", "--model", model, "--json"], input: Array(messages.utf8))
      return try output.json().array("tokens").compactMap(\.integerValue)
    }
    let chat = try promptTokens(#"[{"role": "user", "content": "Hello"}]"#)
    #expect(try Self.generate(["--chat", "Hello"]).integer("prompt_tokens") == chat.count)
    #expect(try Self.generate(["Hello"]).integer("prompt_tokens") < chat.count)
    let ids = chat.map(String.init).joined(separator: ",")
    #expect(
      try Self.generate(["--chat", "Hello"])["tokens"] == Self.generate(["--prompt-tokens", ids])["tokens"])
    let system = try promptTokens(
      #"[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]"#)
    #expect(try Self.generate(["--system", "Be brief.", "Hello"]).integer("prompt_tokens") == system.count)
    // One token begins the text: the template writes it, and the tokenizer adds none.
    #expect(chat.filter { $0 == chat[0] }.count == 1)
  }

  @Test func `a template that switches thinking is obeyed, others refuse the switch`() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write(
      "t.jinja",
      "{{ messages[0].content }}{% if enable_thinking is false %}{{ ' no thoughts at all' }}{% endif %}")
    let on = try Self.generate(["--template-file", file, "--thinking", "on", "Hello"]).integer(
      "prompt_tokens")
    let off = try Self.generate(["--template-file", file, "--thinking", "off", "Hello"]).integer(
      "prompt_tokens")
    #expect(off > on)
    let model = try #require(CommandLineTool.model("llama"))
    let refused = try CommandLineTool.run(["generate", "--model", model, "--thinking", "off", "Hello"])
    #expect(refused.code == 64)
    let ids = try CommandLineTool.run(["generate", "--model", model, "--chat", "--prompt-tokens", "1,2"])
    #expect(ids.code == 64)
    let plain = try #require(CommandLineTool.model("mistral"))
    let other = try CommandLineTool.run(["generate", "--model", plain, "--system", "x", "Hello"])
    #expect(other.code == 1)
    #expect(other.errors.contains("no chat template"), "\(other.errors)")
  }
}
