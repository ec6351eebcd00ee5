import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

@Suite(
  .enabled(
    if: CommandLineTool.isBuilt && CommandLineTool.model("llama") != nil,
    "the program blockwise or the model fixtures are missing"))
struct ModelCommandTests {
  // MARK: Text

  @Test(arguments: ["Hello, world", "", " two  spaces \n", "Grüße 😀 e\u{301}", "line\nline\n\n"])
  func `tokenize and detokenize are inverse`(text: String) throws {
    let model = try #require(CommandLineTool.model("llama"))
    let plain = try CommandLineTool.run(
      ["tokenize", "--no-special", "--model", model], input: Array(text.utf8))
    #expect(plain.code == 0, "\(plain.errors)")
    let json = try CommandLineTool.run(
      ["tokenize", "--no-special", "--json", "--model", model], input: Array(text.utf8))
    let ids = try json.json().array("tokens").compactMap(\.integerValue)
    #expect(plain.text == ids.map(String.init).joined(separator: ",") + "\n")
    for form in [plain.bytes, json.bytes, Array("\(ids)".utf8)] {
      let back = try CommandLineTool.run(["detokenize", "--model", model], input: form)
      #expect(back.code == 0, "\(back.errors)")
      #expect(back.bytes == Array(text.utf8))
    }
    let object = try CommandLineTool.run(["detokenize", "--json", "--model", model], input: plain.bytes)
    #expect(try object.json().string("text") == text)
  }

  @Test func `a folder with a SentencePiece model serves the text commands and inspect`() throws {
    let folder = try TemporaryFolder()
    var model = SentencePieceWriter()
    model.modelType = 2
    model.pieces = [
      ("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("▁", -3, 1), ("a", -2, 1), ("▁a", -1, 1),
    ]
    try folder.write("tokenizer.model", model.bytes())
    let plain = try CommandLineTool.run(
      ["tokenize", "--no-special", "--model", folder.path], input: Array("a aa".utf8))
    #expect(plain.code == 0 && plain.text == "5,5,4\n", "\(plain.errors)")
    let back = try CommandLineTool.run(["detokenize", "--model", folder.path], input: plain.bytes)
    #expect(back.code == 0 && back.text == "a aa", "\(back.errors)")
    let checkpoint = try #require(CommandLineTool.model("llama"))
    for name in ["config.json", "model.safetensors"] {
      try FileManager.default.copyItem(atPath: checkpoint + "/" + name, toPath: folder.path + "/" + name)
    }
    let report = try CommandLineTool.run(["inspect", folder.path])
    #expect(
      report.code == 0 && report.text.contains("SentencePiece, 6 tokens"), "\(report.text)\(report.errors)")
  }

  @Test func `ids that are none are refused`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    for (input, word) in [("1,x", "x"), ("[1,-2]", "-2"), ("{\"ids\":[1]}", "tokens"), ("999999", "999999")] {
      let output = try CommandLineTool.run(["detokenize", "--model", model], input: Array(input.utf8))
      #expect(output.code == 64, "\(input): \(output.errors)")
      #expect(output.errors.contains(word), "\(output.errors)")
    }
    let broken = try CommandLineTool.run(["detokenize", "--model", model], input: Array("[1,".utf8))
    #expect(broken.code == 64)
  }

  // MARK: Logits

  @Test(arguments: ["llama", "mistral", "qwen2", "qwen3", "llada", "dream", "sdar", "fast-dllm-qwen"])
  func `logits agree with the reference`(name: String) throws {
    let model = try #require(CommandLineTool.model(name))
    let expected = try JSONValue(
      parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: model + "/expected.json"))))
    let reference = try SafetensorsFile(path: model + "/expected.safetensors")
    for testCase in try expected.array("cases") {
      let label = try testCase.string("name")
      let prefix = try testCase.arrayIfPresent("prefix_ids") ?? []
      let ids = try (prefix + testCase.array("input_ids")).compactMap(\.integerValue)
      let visibility: String
      switch try testCase.string("kind") {
      case "causal": visibility = "causal"
      case "block_causal": visibility = "block-causal:\(try testCase.integer("block"))"
      case "bidirectional": visibility = "bidirectional"
      case "explicit": visibility = "context-causal:\(try testCase.integer("causal_until"))"
      case "tree":
        let parents = try testCase.array("parents").compactMap(\.integerValue)
        visibility = "tree:" + parents.map(String.init).joined(separator: ",")
      case let kind:
        Issue.record("case \(label) is of an unknown kind \(kind)")
        continue
      }
      let file = NSTemporaryDirectory() + "blockwise-logits-\(UUID().uuidString).safetensors"
      defer { try? FileManager.default.removeItem(atPath: file) }
      let output = try CommandLineTool.run([
        "logits", "--model", model, "--tokens", ids.map(String.init).joined(separator: ","), "--prefix",
        "\(prefix.count)", "--visibility", visibility, "--out", file, "--json",
      ])
      try #require(output.code == 0, "\(label): \(output.errors)")
      let found = try SafetensorsFile(path: file).tensor(named: "logits")
      let wanted = try reference.tensor(named: testCase.string("logits"))
      #expect(found.shape == wanted.shape, "\(label)")
      #expect(try output.json().integer("rows") == wanted.shape[0])
      let (a, b) = (floats(found), floats(wanted))
      let largest = b.reduce(0) { max($0, abs($1)) }
      let difference = zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) }
      // The strict value of the fixtures: f32 against f32, sums in another order.
      #expect(difference <= 2e-5 * largest, "\(label): \(difference) of \(largest)")
    }
  }

  private func floats(_ tensor: TensorView) -> [Float] {
    stride(from: 0, to: tensor.byteCount, by: 4).map {
      tensor.bytes.loadUnaligned(fromByteOffset: $0, as: Float.self)
    }
  }

  @Test func `a file that cannot be written is a failure`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    let output = try CommandLineTool.run([
      "logits", "--model", model, "--tokens", "1,2", "--out", "/no/such/folder/f.safetensors",
    ])
    #expect(output.code == 1)
    #expect(output.errors.contains("/no/such/folder"))
  }

  // MARK: Inspect

  @Test func `inspect says what a model is`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    let json = try CommandLineTool.run(["inspect", model, "--json"]).json()
    #expect(try json.string("architecture") == "LlamaForCausalLM")
    #expect(try json.string("traits", "family") == "llama")
    #expect(try json.bool("supported"))
    #expect(json["methods"] == ["ar", "speculative"])
    let tensors = try json.array("tensors")
    let weights = try SafetensorsFile(path: model + "/model.safetensors")
    #expect(try tensors.map { try $0.string("name") } == weights.names)
    #expect(try json.integer("weight_bytes") == weights.byteCount)
    #expect(try tensors.reduce(0) { try $0 + $1.integer("bytes") } == weights.byteCount)
    #expect(try json.array("formats").reduce(0) { try $0 + $1.integer("bytes") } == weights.byteCount)

    let short = try CommandLineTool.run(["inspect", model])
    #expect(short.code == 0 && short.text.contains("LlamaForCausalLM"))
    let long = try CommandLineTool.run(["inspect", model, "--tensors"])
    #expect(weights.names.allSatisfy { long.text.contains($0) && !short.text.contains($0) })
  }

  @Test func `a name of nothing, dot or dots is no shipped model`() throws {
    for name in ["", ".", ".."] {
      let output = try CommandLineTool.run(["inspect", name])
      #expect(output.code == 1 && !output.errors.contains("/Models/\(name):"), "\(output.errors)")
      let target = try CommandLineTool.run(["quantize", CommandLineTool.baseModel, name, "--format", "q8_0"])
      #expect(target.code != 0, "\(name)")
    }
  }

  @Test func `inspect shows the card of a model`() throws {
    let shipped = try CommandLineTool.run(["inspect", CommandLineTool.baseModel])
    #expect(shipped.text.contains("README.md; --card shows it"))
    let card = try CommandLineTool.run(["inspect", CommandLineTool.baseModel, "--card"])
    #expect(card.code == 0 && card.text.hasPrefix("# ") && card.text.contains("licence"))

    let folder = try TemporaryFolder()
    let model = try #require(CommandLineTool.model("llama"))
    for name in try FileManager.default.contentsOfDirectory(atPath: model) {
      try FileManager.default.createSymbolicLink(
        atPath: folder.path + "/" + name, withDestinationPath: model + "/" + name)
    }
    let missing = try CommandLineTool.run(["inspect", folder.path, "--card"])
    #expect(missing.code == 1 && missing.errors.contains("README.md"))
    #expect(try CommandLineTool.run(["inspect", folder.path, "--json"]).json()["card"] == .null)
    _ = try folder.write("README.md", "---\nlicense: mit\n---\n\n# A model\n\nText.\n")
    let json = try CommandLineTool.run(["inspect", folder.path, "--json"]).json()
    #expect(
      try json.string("card", "title") == "A model" && json.string("card", "text") == "# A model\n\nText.\n")
    // Not UTF-8: no card, and no harm.
    try Data([0xff, 0xfe]).write(to: URL(fileURLWithPath: folder.path + "/README.md"))
    #expect(try CommandLineTool.run(["inspect", folder.path, "--json"]).json()["card"] == .null)
    #expect(try CommandLineTool.run(["inspect", folder.path, "--card", "--json"]).code == 64)
  }

  @Test(arguments: ["llada", "dream", "sdar", "fast-dllm-qwen"])
  func `inspect says that a model fills masks, and it does`(name: String) throws {
    let model = try #require(CommandLineTool.model(name))
    let json = try CommandLineTool.run(["inspect", model, "--json"]).json()
    #expect(json["methods"] == ["diffusion"])
    let arguments = ["generate", "--model", model, "--max-tokens", "20", "--ignore-eos", "--json", "The"]
    let plain = try CommandLineTool.run(arguments + ["--recipe", "one-per-pass"]).json()
    #expect(try plain.array("tokens").count == 20)
    #expect(try plain.string("decode", "method") == "diffusion")
    let wide = try CommandLineTool.run(arguments + ["--recipe", "commit=threshold(-1)"]).json()
    #expect(try wide.bool("decode", "lossy"))
    #expect(try wide.string("decode", "recipe").contains("commit=threshold(-1)"))
    #expect(try wide.integer("stats", "forwards") < plain.integer("stats", "forwards"))
    let refused = try CommandLineTool.run(arguments + ["--decode", "ar"])
    #expect(refused.code == 1 && refused.errors.contains("masked blocks"), "\(refused.errors)")
  }

  @Test func `what a model of blocks cannot do is refused with the reason`() throws {
    let wide = try CommandLineTool.run([
      "generate", "--model", "base-diffusion", "--recipe", "block=fixed(64)", "x",
    ])
    #expect(wide.code == 1 && wide.errors.contains("largest blocks have 32"), "\(wide.errors)")
    let slip = try CommandLineTool.run([
      "generate", "--model", "base-diffusion", "--recipe", "commit=threshold(0,9)", "x",
    ])
    #expect(slip.code == 64 && slip.errors.contains("point"), "\(slip.errors)")
    let folder = try TemporaryFolder()
    let prompts = try folder.write("prompts.txt", "a\n")
    let tuned = try CommandLineTool.run([
      "tune", "commit", "--prompts", prompts, "--out", folder.path + "/recipe.txt",
    ])
    #expect(tuned.code == 64 && tuned.errors.contains("base-diffusion"), "\(tuned.errors)")
    #expect(tuned.errors.contains("blockwise tune commit --help"))
    let nowhere = try CommandLineTool.run([
      "tune", "commit", "--prompts", prompts, "--out", folder.path + "/nowhere/recipe.txt",
    ])
    #expect(nowhere.code == 1 && nowhere.errors.contains("nowhere"))
  }

  @Test func `what a model answers is counted, guessed from, and counted on after an interruption`() throws {
    let folder = try TemporaryFolder()
    let questions = (0..<17).map { "{\"messages\":[{\"role\":\"user\",\"content\":\"Say \($0).\"}]}\n" }
    let prompts = try folder.write("prompts.jsonl", questions.joined())
    func tune(_ more: [String]) throws -> CommandLineTool.Output {
      try CommandLineTool.run(
        ["tune", "ngrams", "--prompts", prompts, "--max-tokens", "24", "--json"] + more)
    }
    let (first, second, answers) = (
      folder.path + "/a b.ngrams", folder.path + "/b.ngrams", folder.path + "/answers.jsonl"
    )
    let counted = try tune(["--out", first, "--answers", answers])
    #expect(counted.code == 0, "\(counted.errors)")
    let json = try counted.json()
    #expect(try json.integer("contexts") > 10 && json.integer("prompts") == 17)
    #expect(try json.integer("bytes") > 500)
    // The one that was held out is measured both ways.
    let results = try json.array("results")
    #expect(try results.map { try $0.string("name") } == ["ar", "ngram"])
    #expect(try results.allSatisfy { try $0.integer("prompts") == 1 && $0.number("seconds") > 0 })
    // Half of the last answer is missing.
    let kept = try #require(FileManager.default.contents(atPath: answers))
    #expect(kept.split(separator: UInt8(ascii: "\n")).count == 17)
    try folder.write("answers.jsonl", Array(kept.dropLast(9)))
    #expect(try tune(["--out", second, "--answers", answers]).code == 0)
    #expect(FileManager.default.contents(atPath: first) == FileManager.default.contents(atPath: second))
    let plain = try CommandLineTool.run(["generate", "--decode", "ar", "-n", "30", "--chat", "Say 3."])
    let found = try CommandLineTool.run([
      "generate", "--draft", "ngram:\"\(first)\",shape=best(6)", "-n", "30", "--chat", "Say 3.", "--json",
    ])
    #expect(try found.json().string("text") == plain.text.trimmingCharacters(in: .newlines))
    for mistake in [["--length", "9"], ["--size", "0"], ["--parallel", "0"], ["--max-tokens", "0"]] {
      #expect(try tune(["--out", second] + mistake).code == 64)
    }
    for mistake in [["--out", folder.path + "/a\"b.ngrams"], ["--out", second, "--answers", "-"]] {
      #expect(try tune(mistake).code == 64)
    }
    #expect(try tune(["--out", folder.path + "/nowhere/a.ngrams"]).code == 1)
    #expect(try tune(["--model", "masked", "--out", second]).code == 64)
    // Answers of another length are others, and files of others stay as they are.
    let other = try tune(["--out", second, "--answers", answers, "--max-tokens", "25"])
    #expect(other.code == 1 && other.errors.contains("--max-tokens"), "\(other.errors)")
    for foreign in ["nonsense\n", "one line", "{\"a\":1}\n{\"b\":2}"] {
      try folder.write("answers.jsonl", foreign)
      let broken = try tune(["--out", second, "--answers", answers])
      #expect(broken.code == 1 && broken.errors.contains("line 1"), "\(broken.errors)")
      #expect(FileManager.default.contents(atPath: answers) == Data(foreign.utf8))
    }
    // A slip costs neither prompts nor answers, and what writes like JSON is read like it.
    #expect(try tune(["--out", prompts]).code == 1)
    #expect(FileManager.default.contents(atPath: prompts) == Data(questions.joined().utf8))
    #expect(try tune(["--out", folder.path + "/c", "--answers", folder.path + "/./c"]).code == 64)
    let piped = try CommandLineTool.run(
      ["tune", "ngrams", "--prompts", "-", "--max-tokens", "24", "--json", "--out", folder.path + "/d"],
      input: Array(questions.joined().utf8))
    #expect(piped.code == 0, "\(piped.errors)")
    #expect(
      FileManager.default.contents(atPath: folder.path + "/d") == FileManager.default.contents(atPath: first))
    let long = try folder.write("long.txt", String(repeating: "word ", count: 2000) + "\nshort\n")
    let refused = try CommandLineTool.run(["tune", "ngrams", "--prompts", long, "--out", second])
    #expect(refused.code == 64 && refused.errors.contains("--prompts"), "\(refused.errors)")
    let none = try CommandLineTool.run(["generate", "--draft", "ngram:\(prompts)", "x"])
    #expect(none.code == 1 && none.errors.contains("cannot be drafted from"), "\(none.errors)")
  }

  @Test func `a chat takes the method, and mistakes of it are those of generate`() throws {
    let input = Array("Repeat this list: [\"a\", \"b\"]\n".utf8)
    let filled = try CommandLineTool.run(
      ["chat", "--model", "base-diffusion", "--decode", "diffusion", "--json"], input: input)
    #expect(filled.code == 0 && filled.text.contains("\"method\":\"diffusion\""), "\(filled.errors)")
    let guessed = try CommandLineTool.run(
      ["chat", "--model", "base", "--draft", "eagle(3,2):base-eagle", "--json"], input: input)
    #expect(guessed.code == 0 && guessed.text.contains("eagle(3,2)"), "\(guessed.errors)")
    let mistake = try CommandLineTool.run(["chat", "--draft", "lookup", "--decode", "ar"], input: input)
    #expect(mistake.code == 64 && mistake.errors.contains("--draft"))
  }

  @Test func `gaps are filled and what is known stays`() throws {
    let model = try #require(CommandLineTool.model("llada"))
    let output = try CommandLineTool.run([
      "generate", "--model", model, "--infill", "the old <fill:3> and the <fill:2>.", "--json",
    ])
    let json = try output.json()
    let text = try json.string("text")
    let fills = try json.array("fills").compactMap(\.stringValue)
    #expect(fills.count == 2)
    #expect(try json.string("infill") == "the old" + text)
    #expect(text.contains(" and the") && text.hasSuffix("."), "\(text)")
    #expect(try json.integer("stats", "committed") == 5)
    let beginning = try CommandLineTool.run(["generate", "--model", model, "--infill", "<fill:3> end"])
    // Its tokenizer puts a start token in front.
    #expect(beginning.code == 0, "\(beginning.errors)")
    // What looks like a special token is text where that is asked for, in front of a gap and behind it.
    let plain = try CommandLineTool.run([
      "generate", "--model", "base-diffusion", "--plain-prompt", "--infill",
      "a <|im_end|> <fill:2> <|im_end|> b",
    ])
    #expect(plain.code == 0, "\(plain.errors)")
    let parts = plain.text.split(separator: "<|im_end|>", omittingEmptySubsequences: false)
    #expect(parts.count == 3, "\(plain.text)")
    let causal = try #require(CommandLineTool.model("qwen2"))
    let other = try CommandLineTool.run(["generate", "--model", causal, "--infill", "a <fill:3> b"])
    #expect(other.code == 1 && other.errors.contains("left to right"), "\(other.errors)")
  }

  @Test func `inspect says what block types become in memory`() throws {
    var file = GGUFBuilder()
    file.metadata = [
      ("general.architecture", .string("llama")), ("llama.embedding_length", .integer(UInt32(256))),
      ("llama.block_count", .integer(UInt32(1))), ("llama.attention.head_count", .integer(UInt32(4))),
      ("llama.context_length", .integer(UInt32(64))), ("llama.feed_forward_length", .integer(UInt32(256))),
      ("llama.vocab_size", .integer(UInt32(48))),
    ]
    for (name, type) in [
      ("token_embd.weight", 11), ("output.weight", 10), ("blk.0.ffn_up.weight", 12),
      ("blk.0.ffn_gate.weight", 13),
    ] {
      let bytes = try #require(TensorType.ggml(UInt32(type))?.byteCount(elementCount: 256 * 48))
      file.tensors.append(
        .init(
          name, type: UInt32(type), dimensions: [256, 48], bytes: [UInt8](repeating: 0, count: bytes)))
    }
    let folder = try TemporaryFolder()
    let path = try folder.write("a.gguf", file.bytes())
    let text = try CommandLineTool.run(["inspect", path]).text
    #expect(text.contains("Q2_K → I4M in memory") && !text.contains("Q4_K →") && !text.contains("Q5_K →"))
    #expect(text.contains("Q2_K: 1 tensor, output.weight, 3.0 times the bytes as I4M"))
    let json = try CommandLineTool.run(["inspect", path, "--json"]).json()
    // The other tensors of a layer are not there, which is said as well.
    #expect(try json.string("problem").contains("blk.0.attn_norm.weight"))
    // The embedding is no head, so it stays in its blocks of 110 bytes.
    #expect(try json.integer("memory_bytes") == 48 * 110 + 48 * 256 + 48 * 144 + 48 * 176)
    let formats = try json.array("formats").map { try ($0.string("name"), $0.string("in_memory")) }
    #expect(Set(formats.map { "\($0.0) \($0.1)" }) == ["Q3_K I4", "Q2_K I4M", "Q4_K Q4_K", "Q5_K Q5_K"])
    // Rows of the embedding are read as they are, so it is none of these.
    let fallbacks = try json.array("fallbacks")
    #expect(try fallbacks.map { try $0.string("name") } == ["output.weight"])
    #expect(try fallbacks[0].integer("bytes") == 48 * 84)
    #expect(try fallbacks[0].integer("memory_bytes") == 48 * 256)
  }

  @Test func `inspect shows what this version cannot run`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    let folder = NSTemporaryDirectory() + "blockwise-unknown-\(UUID().uuidString)"
    try FileManager.default.copyItem(atPath: model, toPath: folder)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = folder + "/config.json"
    let config = try String(contentsOfFile: path, encoding: .utf8)
    try config.replacingOccurrences(of: "LlamaForCausalLM", with: "AbacusForCausalLM")
      .write(toFile: path, atomically: true, encoding: .utf8)
    let output = try CommandLineTool.run(["inspect", folder, "--json"])
    #expect(output.code == 0)
    let json = try output.json()
    #expect(try json.bool("supported") == false)
    #expect(try json.string("problem").contains("AbacusForCausalLM"))
    let generated = try CommandLineTool.run(["generate", "--model", folder, "x"])
    #expect(generated.code == 1)
    #expect(generated.errors.contains("AbacusForCausalLM"))
  }

  // MARK: Bench

  @Test func `bench forward has the keys of the contract`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    let arguments = [
      "bench", "forward", "--model", model, "--rows", "1,3", "--depth", "0,9", "--samples", "2",
    ]
    let output = try CommandLineTool.run(arguments + ["--json", "--threads", "1"])
    try #require(output.code == 0, "\(output.errors)")
    let json = try output.json()
    let results = try json.array("results")
    #expect(
      try results.map { try [$0.integer("depth"), $0.integer("rows")] } == [
        [0, 1], [0, 3], [9, 1], [9, 3],
      ])
    for result in results {
      for key in ["median_ms", "min_ms", "roofline_ms"] { #expect(try result.number(key) > 0) }
      #expect(try result.number("min_ms") <= result.number("median_ms"))
    }
    #expect(try json.integer("machine", "threads") == 1)
    #expect(try json.number("machine", "read_bandwidth_bytes_per_second") > 0)
    #expect(try json.number("machine", "peak_operations_per_second") > 0)
    let table = try CommandLineTool.run(arguments)
    #expect(table.text.contains("median ms"))
    let tooLong = try CommandLineTool.run(["bench", "forward", "--model", model, "--depth", "100000"])
    #expect(tooLong.code == 1 && tooLong.errors.contains("context"))
  }

  @Test func `bench forward tells the work of the head apart`() throws {
    let model = try #require(CommandLineTool.model("llama"))
    let arguments = ["bench", "forward", "--model", model, "--rows", "1,4", "--samples", "1", "--head"]
    let output = try CommandLineTool.run(arguments + ["logits,statistics,last,none", "--json"])
    try #require(output.code == 0, "\(output.errors)")
    let results = try output.json().array("results")
    #expect(
      try results.map { try "\($0.integer("rows")) \($0.string("head"))" } == [
        "1 logits", "1 statistics", "1 last", "1 none", "4 logits", "4 statistics", "4 last", "4 none",
      ])
    // Less to read and to multiply.
    #expect(try results[7].number("roofline_ms") < results[4].number("roofline_ms"))
    #expect(try results[4].number("time_split_ms", "head") > 0)
    let unknown = try CommandLineTool.run(arguments + ["everything"])
    #expect(unknown.code == 64 && unknown.errors.contains("statistics"))
  }
}
