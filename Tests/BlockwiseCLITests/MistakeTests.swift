import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

/// Things people do that must not pass in silence.
@Suite(.enabled(if: CommandLineTool.isBuilt, "the program is not built")) struct MistakeTests {
  @Test func `ids must be whole numbers between single commas`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    for ids in ["1,,2", "+2", ",1", "1,", "1;2", "1.0"] {
      let output = try CommandLineTool.run(["generate", "--model", model, "--prompt-tokens", ids])
      #expect(output.code == 64, "\(ids): \(output.errors)")
    }
    for input in ["[1.0]", "[1,", "1,,2"] {
      let output = try CommandLineTool.run(["detokenize", "--model", model], input: Array(input.utf8))
      #expect(output.code == 64 && output.errors.contains("standard input"), "\(input): \(output.errors)")
    }
  }

  @Test func `options without effect are pointed out`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    let arguments = ["generate", "--model", model, "-n", "1", "The", "--top-p", "0.5", "--seed", "3"]
    let greedy = try CommandLineTool.run(arguments)
    #expect(greedy.code == 0 && greedy.errors.contains("--top-p, --seed have no effect"), "\(greedy.errors)")
    let sampled = try CommandLineTool.run(arguments + ["--temperature", "1"])
    #expect(sampled.code == 0 && !sampled.errors.contains("effect"), "\(sampled.errors)")
  }

  @Test func `a stop token must be in the vocabulary`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    let output = try CommandLineTool.run(["generate", "--model", model, "--stop-token", "99999", "The"])
    #expect(output.code == 64 && output.errors.contains("99999"), "\(output.errors)")
  }

  @Test func `a model that is nowhere is reported with the names that there are`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    let folder = URL(fileURLWithPath: model).deletingLastPathComponent().path
    let output = try CommandLineTool.run(
      ["inspect", "no-such-model"], environment: ["BLOCKWISE_MODELS": folder])
    #expect(output.code == 1)
    for word in ["no-such-model", "qwen3", "BLOCKWISE_MODELS"] {
      #expect(output.errors.contains(word), "\(output.errors)")
    }
  }

  @Test func `a checkpoint without a tokenizer gives logits and says plainly why it generates nothing`()
    throws
  {
    let model = try #require(CommandLineTool.model("llama"))
    let folder = try TemporaryFolder()
    for file in ["config.json", "model.safetensors"] {
      try FileManager.default.copyItem(atPath: "\(model)/\(file)", toPath: "\(folder.path)/\(file)")
    }
    let target = folder.path + "/logits.safetensors"
    let logits = try CommandLineTool.run(["logits", "-m", folder.path, "--tokens", "1,2", "--out", target])
    #expect(logits.code == 0, "\(logits.errors)")
    #expect(FileManager.default.fileExists(atPath: target))
    let text = try CommandLineTool.run(["generate", "-m", folder.path, "The"])
    #expect(text.code == 1 && text.errors.contains("tokenizer"), "\(text.errors)")
    #expect(text.errors.components(separatedBy: folder.path).count == 2, "once: \(text.errors)")
    let own = try CommandLineTool.run(
      ["logits", "-m", folder.path, "--tokens", "1,2", "--out", folder.path + "/model.safetensors"])
    #expect(own.code == 64 && own.errors.contains("model itself"), "\(own.errors)")
    let dash = try CommandLineTool.run(["logits", "-m", folder.path, "--tokens", "1,2", "--out", "-"])
    #expect(dash.code == 64, "\(dash.errors)")
  }

  @Test func `inspect takes the model like every other command`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    let plain = try CommandLineTool.run(["inspect", model])
    let option = try CommandLineTool.run(["inspect", "-m", model])
    #expect(plain.code == 0 && plain.bytes == option.bytes)
    #expect(try CommandLineTool.run(["inspect", model, "-m", model]).code == 64)
  }

  @Test func `one token per pass is reported as one`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    let output = try CommandLineTool.run(
      ["generate", "-m", model, "-n", "5", "--ignore-eos", "--json", "The"])
    let stats = try #require(try output.json()["stats"])
    #expect(stats["tokens_per_forward"]?.numberValue == 1)
    #expect(stats["committed"]?.integerValue == 5 && stats["forwards"]?.integerValue == 4)
  }

  @Test func `a prompt that is written with its start token gets no second one`() throws {
    let model = try #require(CommandLineTool.model("mistral"))
    func count(_ prompt: String, _ more: [String] = []) throws -> Int {
      let output = try CommandLineTool.run(["generate", "-m", model, "-n", "1", "--json", prompt] + more)
      return try #require(try output.json()["prompt_tokens"]?.integerValue, "\(output.errors)")
    }
    #expect(try count("<s>The") == count("The"))
    #expect(try count("<s>The", ["--plain-prompt"]) > count("The"))
  }

  /// A copy of a fixture with another configuration.
  private func copy(_ name: String, _ change: (inout JSONObject) -> Void) throws -> TemporaryFolder {
    let model = try #require(CommandLineTool.model(name))
    let folder = try TemporaryFolder()
    for file in try FileManager.default.contentsOfDirectory(atPath: model) where !file.hasPrefix("expected") {
      try FileManager.default.copyItem(atPath: "\(model)/\(file)", toPath: "\(folder.path)/\(file)")
    }
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: folder.path + "/config.json")))
    guard case .object(var config) = try JSONValue(parsing: bytes) else { return folder }
    change(&config)
    _ = try folder.write("config.json", JSONValue.object(config).text(.compact))
    return folder
  }

  @Test func `inspect says what the other commands would refuse`() throws {
    let changes: [(String, JSONValue, String)] = [
      ("num_hidden_layers", 1, "number of layers"), ("num_hidden_layers", 7, "model.layers.2"),
      ("vocab_size", 100, "embed_tokens"),
    ]
    for (key, value, word) in changes {
      let folder = try copy("llama") { $0[key] = value }
      let json = try CommandLineTool.run(["inspect", folder.path, "--json"]).json()
      #expect(try !json.bool("supported"), "\(key)")
      let problem = try json.string("problem")
      #expect(problem.contains(word), "\(key): \(problem)")
      let generated = try CommandLineTool.run(["generate", "-m", folder.path, "x"])
      #expect(generated.code == 1 && generated.errors.contains(word), "\(generated.errors)")
    }
  }

  @Test func `a template of a multimodal model stands in a JSON file of its own`() throws {
    let folder = try copy("mistral") { _ in }
    let template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    let json: JSONValue = ["chat_template": .string(template)]
    let file = try folder.write("chat_template.json", json.text(.compact))
    let messages = Array("[{\"role\": \"user\", \"content\": \"Hi\"}]".utf8)
    let found = try CommandLineTool.run(["template", "-m", folder.path], input: messages)
    #expect(found.text == "[user]Hi", "\(found.errors)")
    let given = try CommandLineTool.run(["template", "--template-file", file], input: messages)
    #expect(given.text == "[user]Hi", "\(given.errors)")
    #expect(try CommandLineTool.run(["inspect", folder.path, "--json"]).json().bool("chat_template"))
  }
}
