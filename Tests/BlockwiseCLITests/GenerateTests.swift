import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

@Suite(
  .enabled(
    if: CommandLineTool.isBuilt && CommandLineTool.model("llama") != nil,
    "the program blockwise or the model fixtures are missing"))
struct GenerateTests {
  private func generate(_ arguments: [String], input: String = "") throws -> CommandLineTool.Output {
    let model = try #require(CommandLineTool.model("llama"))
    return try CommandLineTool.run(
      ["generate", "--model", model, "--max-tokens", "16", "--ignore-eos"] + arguments,
      input: Array(input.utf8))
  }

  private func tokens(_ arguments: [String], input: String = "") throws -> [Int] {
    let output = try generate(["--json"] + arguments, input: input)
    try #require(output.code == 0, "\(output.errors)")
    return try output.json().array("tokens").compactMap(\.integerValue)
  }

  @Test func `the JSON has the keys of the contract`() throws {
    let output = try generate(["--json", "The"])
    #expect(output.code == 0)
    #expect(output.errors == "")
    let json = try output.json()
    #expect(try json.array("tokens").count == 16)
    #expect(try json.integer("prompt_tokens") > 0)
    #expect(try json.string("finish_reason") == "length")
    // The fixture is so small that guessing does not pay; models of 64 MiB and more guess by themselves.
    #expect(try json.string("decode", "method") == "ar")
    #expect(try json.string("decode", "recipe") == "")
    let guessed = try generate(["--json", "--draft", "auto", "The"]).json()
    #expect(try guessed.string("decode", "method") == "speculative")
    #expect(try guessed.string("decode", "recipe").hasSuffix("accept=exact"))
    #expect(try guessed.array("stats", "drafts").count == 3)
    #expect(try guessed.string("text") == json.string("text"))
    #expect(try json.bool("decode", "lossy") == false)
    let plain = try generate(["--json", "--decode", "ar", "The"]).json()
    #expect(try plain.string("decode", "method") == "ar")
    #expect(try plain.string("decode", "recipe") == "")
    #expect(try plain.integer("stats", "forwards") == 15)
    #expect(try plain.integer("stats", "rows") == 15)
    #expect(try plain.string("text") == json.string("text"))
    #expect(try json.integer("stats", "committed") == 16)
    for key in ["tokens_per_forward", "prefill_seconds", "decode_seconds", "tokens_per_second"] {
      #expect(try json.number("stats", key) > 0)
    }
    #expect(try json.integer("stats", "peak_memory_bytes") > 1 << 20)
  }

  @Test func `streamed text is the text of the JSON`() throws {
    let json = try generate(["--json", "The"]).json()
    let text = try json.string("text")
    #expect(!text.isEmpty)
    #expect(try generate(["The"]).text == text + (text.hasSuffix("\n") ? "" : "\n"))
  }

  @Test func `the prompt can come in four ways`() throws {
    let expected = try tokens(["The old man"])
    #expect(try tokens([], input: "The old man") == expected)
    #expect(try tokens([], input: "The old man\n") == expected)
    let file = NSTemporaryDirectory() + "blockwise-prompt-\(UUID().uuidString).txt"
    try Data("The old man\n".utf8).write(to: URL(fileURLWithPath: file))
    defer { try? FileManager.default.removeItem(atPath: file) }
    #expect(try tokens(["--file", file]) == expected)
    let ids = try CommandLineTool.run(
      ["tokenize", "--model", try #require(CommandLineTool.model("llama"))], input: Array("The old man".utf8))
    #expect(try tokens(["--prompt-tokens", ids.text.trimmingCharacters(in: .newlines)]) == expected)
  }

  @Test func `a seed fixes the text and threads do not change it`() throws {
    let hot = ["--temperature", "1.5", "--seed"]
    let first = try tokens(hot + ["7", "The"])
    #expect(try tokens(hot + ["7", "--threads", "1", "The"]) == first)
    #expect(try tokens(hot + ["8", "The"]) != first)
    #expect(try tokens(["--temperature", "1.5", "--top-k", "1", "The"]) == tokens(["The"]))
  }

  @Test func `a banned token does not occur and a forced one does`() throws {
    let plain = try tokens(["The"])
    let banned = try #require(plain.first)
    #expect(try !tokens(["--logit-bias", "\(banned)=-inf", "The"]).contains(banned))
    #expect(try tokens(["--logit-bias", "5=inf", "The"]) == Array(repeating: 5, count: 16))
  }

  @Test func `a stop token ends the text before it`() throws {
    let plain = try tokens(["The"])
    let place = try #require(plain.indices.first { $0 > 0 && !plain[..<$0].contains(plain[$0]) })
    let output = try generate(["--json", "--stop-token", "\(plain[place])", "The"])
    let json = try output.json()
    #expect(try json.array("tokens").compactMap(\.integerValue) == Array(plain[..<place]))
    #expect(try json.string("finish_reason") == "stop")
  }

  @Test func `a stop string ends the text before it`() throws {
    let text = try generate(["--json", "The"]).json().string("text")
    // A printable character that the text has somewhere behind its start.
    let stop = try #require(
      text.dropFirst().first { $0.isASCII && ($0.isLetter || $0.isPunctuation) && $0 != text.first })
    let json = try generate(["--json", "--stop", String(stop), "The"]).json()
    #expect(try json.string("text") == String(text.prefix { $0 != stop }))
    #expect(try json.string("finish_reason") == "stop")
  }

  @Test func `log-probabilities come with the tokens`() throws {
    let json = try generate(["--json", "--logprobs", "3", "The"]).json()
    let chosen = try json.array("tokens").compactMap(\.integerValue)
    let entries = try json.array("logprobs")
    #expect(try entries.map { try $0.integer("token") } == chosen)
    for entry in entries {
      let top = try entry.array("top")
      #expect(top.count == 3)
      // Greedy: the chosen token is the most likely one.
      #expect(try top[0].integer("token") == entry.integer("token"))
      let probabilities = try top.map { try $0.number("logprob") }
      #expect(probabilities == probabilities.sorted(by: >) && probabilities.allSatisfy { $0 <= 0 })
    }
    #expect(try generate(["--json", "The"]).json()["logprobs"] == nil)
  }

  @Test(arguments: [
    "lookup", "ngram", "suffix", "recycle", "adaptive", "aded", "suffix+recycle,shape=best(6)",
    "medusa:HEADS/medusa,shape=all", "hydra:HEADS/hydra,shape=all", "hydra:HEADS/hydra-prefix,shape=best(9)",
    "eagle:HEADS/eagle,shape=all", "eagle(3,1):HEADS/eagle", "auto+eagle:HEADS/eagle",
  ])
  func `every draft source gives the plain text, greedy and sampled`(draft: String) throws {
    let draft = draft.replacing("HEADS", with: CommandLineTool.packageFolder + "/Tests/Fixtures/heads")
    for sampling in [[], ["--temperature", "0.9", "--seed", "4"], ["--repetition-penalty", "1.2"]] {
      let prompt = "one two three four one two three four one two"
      let plain = try generate(["--decode", "ar", "-n", "40"] + sampling + [prompt])
      let found = try generate(["--draft", draft, "-n", "40"] + sampling + [prompt])
      #expect(found.code == 0, "\(found.errors)")
      #expect(found.text == plain.text)
    }
  }

  @Test func `a lossy rule gives one text for one seed`() throws {
    let arguments = [
      "--draft", "suffix,accept=typical(0.3)", "--temperature", "0.9", "--seed", "3", "-n", "60", "--json",
    ]
    let first = try generate(arguments + ["one two one two"]).json()
    #expect(try first.bool("decode", "lossy"))
    for _ in 0..<3 {
      #expect(try generate(arguments + ["one two one two"]).json().string("text") == first.string("text"))
    }
    #expect(try generate(["--draft", "suffix,shape=cost,accept=typical", "The"]).code == 64)
  }

  @Test func `blocks are not shown where none are filled`() throws {
    let output = try generate(["--show-blocks", "The"])
    #expect(output.code == 64)
    #expect(output.errors.contains("--show-blocks"))
  }

  @Test func `a model that drafts for itself saves passes and changes nothing`() throws {
    let path = try #require(CommandLineTool.model("llama"))
    let plain = try generate(["--decode", "ar", "-n", "24", "--json", "The"]).json()
    let found = try generate(["--draft", "model(4):\(path),shape=all", "-n", "24", "--json", "The"]).json()
    #expect(try found.string("text") == plain.string("text"))
    #expect(try found.integer("stats", "rows") > plain.integer("stats", "rows"))
    let drawn = try generate(["--draft", "model(4,2):\(path),accept=reject", "-n", "24", "--json", "The"])
      .json()
    #expect(try drawn.string("text") == plain.string("text"))
    #expect(try drawn.integer("stats", "forwards") < plain.integer("stats", "forwards"))
  }

  @Test func `an expected text saves passes and changes nothing`() throws {
    let plain = try generate(["--decode", "ar", "-n", "30", "The"])
    let folder = try TemporaryFolder()
    let path = try folder.write("expected.txt", plain.text)
    let found = try generate(["--expect", path, "--draft", "given,shape=all", "-n", "30", "--stats", "The"])
    #expect(found.text == plain.text)
    #expect(found.errors.contains("speculative given"))
    // It counts beside any other source.
    let beside = try generate(["--expect", path, "--draft", "lookup", "-n", "30", "--stats", "The"])
    #expect(beside.text == plain.text && beside.errors.contains("speculative given(32)+lookup"))
    let missing = try generate(["--draft", "given", "The"])
    #expect(missing.code == 64)
    #expect(missing.errors.contains("no expected text"))
  }

  @Test(arguments: [
    ("medusa:HEADS/eagle", "heads of eagle"), ("eagle:HEADS", "no config.json"),
  ])
  func `a folder without the heads that a source needs is refused`(draft: String, word: String) throws {
    let draft = draft.replacing("HEADS", with: CommandLineTool.packageFolder + "/Tests/Fixtures/heads")
    let output = try generate(["--draft", draft, "The"])
    #expect(output.code != 0)
    #expect(output.errors.contains(word), "\(output.errors)")
  }

  @Test(arguments: ["suffix:nowhere.txt", "model:nowhere", "eagle:nowhere"])
  func `a file that a source rests on and that is not there is a failure`(draft: String) throws {
    let output = try generate(["--draft", draft, "The"])
    #expect(output.code == 1)
    #expect(output.errors.contains("nowhere"))
  }

  @Test func `statistics go to standard error`() throws {
    let output = try CommandLineTool.run(
      [
        "generate", "--model", try #require(CommandLineTool.model("llama")), "-n", "4", "--stats", "--draft",
        "auto", "The",
      ],
      environment: ["BLOCKWISE_KERNELS": "scalar"])
    #expect(output.code == 0)
    for word in ["accept=exact, exact", "guessing  ", "scalar", "tokens per forward", "memory"] {
      #expect(output.errors.contains(word))
    }
    #expect(!output.text.contains("tokens per forward"))
  }

  @Test func `a reader that leaves early is no failure`() throws {
    let program = try #require(CommandLineTool.path)
    let model = try #require(CommandLineTool.model("llama"))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "{ '\(program)' generate --model '\(model)' The; echo $? >&2; } | true"]
    let errors = Pipe()
    process.standardError = errors
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let messages = try errors.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    #expect(String(decoding: messages, as: UTF8.self) == "0\n")
  }

  @Test func `failures say what was wrong and exit with 1`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    let long = Array(repeating: "5", count: 20_000).joined(separator: ",")
    let cases: [(arguments: [String], word: String)] = [
      (["--model", "no/such/model", "x"], "no/such/model"),
      (["--model", "nosuchname", "x"], "nosuchname"),
      (["--model", "/etc/passwd", "x"], "/etc/passwd"),
      (["--file", "/no/such/file"], "/no/such/file"),
      (["--file", "/tmp"], "/tmp"),
      (["--model", model, "--prompt-tokens", "1000000"], "1000000"),
      (["--model", model, "--prompt-tokens", long], "context"),
      (["--model", model, "--context", "1000000000", "x"], "1000000000"),
    ]
    for (arguments, word) in cases {
      let output = try CommandLineTool.run(["generate"] + arguments)
      #expect(output.code == 1, "\(arguments.prefix(3)): \(output.errors)")
      #expect(output.errors.contains(word), "\(output.errors)")
      #expect(output.text == "")
    }
  }

  @Test func `text that is no UTF-8 is refused`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    let bytes: [UInt8] = [0x54, 0xFF, 0x68]
    let piped = try CommandLineTool.run(["generate", "--model", model], input: bytes)
    #expect(piped.code == 1 && piped.errors.contains("UTF-8"))
    let tokenized = try CommandLineTool.run(["tokenize", "--model", model], input: bytes)
    #expect(tokenized.code == 1 && tokenized.errors.contains("UTF-8"))
    let program = try #require(CommandLineTool.path)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = [
      "-c", "exec '\(program)' generate --model '\(model)' \"$(printf 'T\\377h')\" 2>/dev/null",
    ]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 64)
  }

  @Test func `a name is found in the folders of the environment`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    let folder = URL(fileURLWithPath: model).deletingLastPathComponent().path
    let output = try CommandLineTool.run(
      ["generate", "--model", "llama", "-n", "2", "The"],
      environment: ["BLOCKWISE_MODELS": "/nowhere:" + folder])
    #expect(output.code == 0, "\(output.errors)")
  }

  @Test(
    .enabled(
      if: FileManager.default.fileExists(atPath: CommandLineTool.packageFolder + "/Models/base"),
      "there is no shipped model"))
  func `without a model the shipped one writes a story`() throws {
    let output = try CommandLineTool.run(["generate", "--max-tokens", "30", "Once upon a time"])
    #expect(output.code == 0, "\(output.errors)")
    #expect(output.text.split(separator: " ").count > 8)
  }
}
