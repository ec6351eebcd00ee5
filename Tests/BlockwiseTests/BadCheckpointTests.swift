import Blockwise
import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import BlockwiseText
import Foundation
import Testing

/// Checkpoints that are wrong in one way each: the error names file, tensor or key, what was found and what belongs there.
@Suite struct BadCheckpointTests {
  /// A copy of a fixture that a test may spoil.
  struct Copy {
    let folder: TemporaryFolder
    var path: String { folder.path }

    init(_ name: String) throws {
      folder = try TemporaryFolder()
      let source = SharedData.packageFolder + "/Tests/Fixtures/models/" + name
      for file in try FileManager.default.contentsOfDirectory(atPath: source)
      where !file.hasPrefix("expected") {
        try FileManager.default.copyItem(atPath: "\(source)/\(file)", toPath: "\(folder.path)/\(file)")
      }
    }

    func edit(_ file: String, _ change: (inout JSONObject) -> Void) throws {
      let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(file)")))
      guard case .object(var object) = try JSONValue(parsing: bytes) else { return }
      change(&object)
      _ = try folder.write(file, JSONValue.object(object).text(.compact))
    }

    /// Rewrites the tensors of `model.safetensors`; nil leaves one out.
    func rewrite(_ change: (String, [Int], [UInt8]) -> (shape: [Int], bytes: [UInt8])?) throws {
      let file = try SafetensorsFile(path: "\(path)/model.safetensors")
      var writer = SafetensorsWriter()
      for name in file.names {
        let view = try file.tensor(named: name)
        guard let new = change(name, view.shape, Array(view.bytes)) else { continue }
        try writer.append(name, type: view.type, shape: new.shape, bytes: new.bytes)
      }
      try writer.write(to: "\(path)/model.safetensors")
    }
  }

  static func refusal(_ path: String) async -> String {
    do {
      _ = try await LanguageModel.load(path, options: ModelLoadOptions(compute: .f32, threadCount: 1))
      return "nothing was refused"
    } catch {
      return "\(type(of: error)): \(error)"
    }
  }

  @Test func `configurations that cannot be run are refused by key and value`() async throws {
    let cases: [(String, JSONValue, [String])] = [
      (
        "architectures", ["MadeUpForCausalLM"],
        ["ModelError", "MadeUpForCausalLM", "LlamaForCausalLM", "config.json"]
      ),
      ("hidden_act", "gelu", ["ModelError", "hidden_act", "gelu"]),
      (
        "rope_scaling", ["rope_type": "spiral", "factor": 2], ["ModelError", "rope_type", "spiral", "llama3"]
      ),
      ("num_attention_heads", 3, ["ModelError", "hidden_size", "num_attention_heads 3"]),
      ("num_attention_heads", 0, ["ModelError", "num_attention_heads", "0"]),
      ("hidden_size", 131_072, ["ModelError", "head_dim", "65536"]),
      ("head_dim", 70_000, ["ModelError", "head_dim"]),
      ("partial_rotary_factor", 1e30, ["ModelError", "rotated"]),
      ("hidden_size", -5, ["ModelError", "hidden_size", "-5"]),
      ("hidden_size", 4096, ["ModelError", "4096"]),
      ("num_hidden_layers", 5, ["model.layers.2", "model.safetensors"]),
      ("vocab_size", "many", ["ModelError", "vocab_size", "many"]),
      ("max_position_embeddings", 1.5, ["ModelError", "max_position_embeddings", "1.5"]),
      ("rms_norm_eps", 0, ["ModelError", "rms_norm_eps"]),
      ("tie_word_embeddings", "yes", ["ModelError", "tie_word_embeddings"]),
    ]
    for (key, value, words) in cases {
      let copy = try Copy("llama")
      try copy.edit("config.json") { $0[key] = value }
      let message = await Self.refusal(copy.path)
      for word in words { #expect(message.contains(word), "\(key) = \(value.summary): \(message)") }
    }
    let copy = try Copy("llama")
    try copy.edit("config.json") { $0["hidden_size"] = nil }
    #expect(await Self.refusal(copy.path).contains("hidden_size is missing"))
  }

  @Test func `tensors that do not fit are refused by name and shape`() async throws {
    let name = "model.layers.1.mlp.down_proj.weight"
    let missing = try Copy("llama")
    try missing.rewrite { $0 == name ? nil : ($1, $2) }
    let missingMessage = await Self.refusal(missing.path)
    #expect(missingMessage.contains(name), "\(missingMessage)")

    let turned = try Copy("llama")
    try turned.rewrite { $0 == name ? ($1.reversed(), $2) : ($1, $2) }
    let turnedMessage = await Self.refusal(turned.path)
    #expect(turnedMessage.contains(name) && turnedMessage.contains("expected"), "\(turnedMessage)")
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func `weights that are no numbers are found while packing and named`(_ value: Float) async throws {
    for name in ["model.layers.0.self_attn.k_proj.weight", "model.norm.weight", "model.embed_tokens.weight"] {
      let copy = try Copy("llama")
      try copy.rewrite { tensor, shape, bytes in
        guard tensor == name else { return (shape, bytes) }
        var bytes = bytes
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.replaceSubrange(16..<20, with: $0) }
        return (shape, bytes)
      }
      let message = await Self.refusal(copy.path)
      #expect(message.contains(name) && message.contains("NaN or infinite"), "\(message)")
    }
  }

  @Test func `a missing shard is refused by its name`() async throws {
    let copy = try Copy("qwen2")
    try FileManager.default.removeItem(atPath: copy.path + "/model-00002-of-00002.safetensors")
    let message = await Self.refusal(copy.path)
    #expect(message.contains("model-00002-of-00002.safetensors"), "\(message)")
  }

  @Test func `a tokenizer with more tokens than the model has rows is refused with both counts`() async throws
  {
    let copy = try Copy("qwen2")
    let tokens = try Tokenizer.load(folder: copy.path).vocabularyCount
    try copy.edit("tokenizer.json") { object in
      guard case .array(var added)? = object["added_tokens"] else { return }
      added.append([
        "id": 5000, "content": "<|far|>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true,
      ])
      object["added_tokens"] = .array(added)
    }
    let message = await Self.refusal(copy.path)
    #expect(message.contains("5001") || message.contains("5000"), "\(tokens) tokens: \(message)")
  }

  @Test func `an unknown tokenizer is refused by its kind`() async throws {
    let copy = try Copy("qwen2")
    try copy.edit("tokenizer.json") { object in
      guard case .object(var model)? = object["model"] else { return }
      model["type"] = "Sorcery"
      object["model"] = .object(model)
    }
    let message = await Self.refusal(copy.path)
    #expect(message.contains("Sorcery"), "\(message)")
  }

  @Test func `variants of LLaDA that are not computed are refused by their switch`() async throws {
    let cases: [(String, JSONValue)] = [
      ("rope", false), ("clip_qkv", 0.01), ("alibi", true), ("multi_query_attention", true),
      ("block_type", "sequential"),
    ]
    for (key, value) in cases {
      let copy = try Copy("llada")
      try copy.edit("config.json") { $0[key] = value }
      let message = await Self.refusal(copy.path)
      #expect(message.contains("\(key)") && message.contains("not supported"), "\(message)")
    }
  }

  @Test func `folders without a model say what is missing`() async throws {
    let empty = try TemporaryFolder()
    let emptyMessage = await Self.refusal(empty.path)
    #expect(emptyMessage.contains("config.json"), "\(emptyMessage)")
    let copy = try Copy("llama")
    try FileManager.default.removeItem(atPath: copy.path + "/model.safetensors")
    _ = try copy.folder.write("pytorch_model.bin", "x")
    let message = await Self.refusal(copy.path)
    #expect(message.contains("safetensors"), "\(message)")
  }

  @Test func `odd options are refused before anything is loaded`() async throws {
    let path = SharedData.packageFolder + "/Tests/Fixtures/models/llama"
    for options in [
      ModelLoadOptions(contextLength: 0), ModelLoadOptions(contextLength: 1 << 40),
      ModelLoadOptions(threadCount: 0),
      ModelLoadOptions(memoryLimit: 10),
    ] {
      await #expect(throws: ModelError.self) { _ = try await LanguageModel.load(path, options: options) }
    }
  }
}
