import Blockwise
import BlockwiseConversion
import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import BlockwiseText
import Foundation
import Testing

/// Checkpoints in the other container compute the same, and cut texts into the same tokens.
@Suite struct ExportTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Checkpoints of families that both containers have.
  static let checkpoints: [String] = {
    var paths = ["llama", "mistral", "qwen2", "qwen3", "llada", "dream", "sdar", "fast-dllm-qwen"].map {
      SharedData.packageFolder + "/Tests/Fixtures/models/" + $0
    }
    if let root = SharedData.root {
      paths += [
        "llama-rope3", "llama-tied", "qwen2", "qwen3", "qwen3-yarn", "qwen3-moe", "mistral-window", "gemma2",
        "gemma3-text", "phi3-longrope", "smollm3", "gpt-neox",
      ].map { root + "/parity/models/" + $0 }
    }
    return paths
  }()

  private func convert(_ path: String, _ name: String, _ format: QuantizationFormat) throws -> String {
    let output = folder.path + "/" + name
    let options = ConversionOptions(
      format: format, container: name.hasSuffix(".gguf") ? .gguf : .hf, threadCount: 2)
    _ = try ModelConverter(try ModelSource(path: path), options: options).convert(to: output)
    return output
  }

  /// Logits of all rows of some tokens, in f32.
  private static func logits(_ path: String, _ tokens: [TokenID]) async throws -> [Float] {
    let model = try DecoderModel.load(
      ModelSource(path: path), options: ModelLoadOptions(compute: .f32, threadCount: 1))
    let result = BlockResultBuffer()
    try await model.forward(
      [
        SequencePass(
          plan: BlockPlan(tokens: tokens[...], at: 0, outputs: OutputRequest(rows: .all)),
          cache: try model.makeCache())
      ], into: result)
    return (0..<tokens.count).flatMap { result.logits(output: $0) }
  }

  private static func expectation(_ path: String) throws -> JSONValue {
    try JSONValue(parsing: [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + "/expected.json"))))
  }

  private static func tokens(_ path: String) throws -> [TokenID] {
    let item = try #require(try expectation(path).array("cases").first)
    return try item.array("input_ids").compactMap(\.integerValue).map { TokenID($0) }
  }

  /// The largest difference, as a share of the largest expected magnitude.
  private static func difference(_ found: [Float], _ expected: [Float]) -> Float {
    guard found.count == expected.count else { return .infinity }
    let scale = expected.reduce(0) { max($0, abs($1)) }
    return zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) } / scale
  }

  @Test(arguments: checkpoints)
  func `a folder computes the same as a GGUF file`(path: String) async throws {
    let tokens = try Self.tokens(path)
    let converted = try convert(path, "model.gguf", .f32)
    let difference = Self.difference(
      try await Self.logits(converted, tokens), try await Self.logits(path, tokens))
    #expect(difference <= 2e-5, "\(path): \(difference)")
  }

  @Test(arguments: checkpoints)
  func `a folder's tokenizer cuts texts as before in a GGUF file`(path: String) throws {
    let converted = try convert(path, "model.gguf", .f16)
    let before = try Tokenizer.load(folder: path)
    let after = try Tokenizer.load(gguf: try GGUFFile(path: converted))
    for vector in try Self.expectation(path).array("tokenizer") {
      let text = try vector.string("text")
      #expect(after.encode(text) == before.encode(text), "\(text)")
      let tokens = before.encode(text)
      #expect(after.decode(tokens) == before.decode(tokens), "\(text)")
    }
    #expect(after.bosToken == before.bosToken && after.eosToken == before.eosToken)
    #expect(after.padToken == before.padToken && after.maskToken == before.maskToken)
    let ends = try ModelSource(path: path).generationConfiguration.endTokens
    #expect(Set(try ModelSource(path: converted).generationConfiguration.endTokens).isSuperset(of: ends))
  }

  @Test(arguments: checkpoints)
  func `a GGUF file becomes the folder that it came from`(path: String) async throws {
    let file = try convert(path, "model.gguf", .f32)
    let back = try convert(file, "back", .f32)
    let (before, after) = (try ModelSource(path: path), try ModelSource(path: back))
    #expect(Set(before.weights.names).subtracting(after.weights.names) == [])
    let (old, new) = (try DecoderModel.inspect(before), try DecoderModel.inspect(after))
    #expect(old.configuration.hiddenSize == new.configuration.hiddenSize)
    #expect(old.configuration.windows == new.configuration.windows)
    #expect(old.configuration.normEpsilon == new.configuration.normEpsilon)
    #expect(old.configuration.rotary.base == new.configuration.rotary.base)
    #expect(old.traits.contextLength == new.traits.contextLength)
    let tokens = try Self.tokens(path)
    let difference = Self.difference(
      try await Self.logits(back, tokens), try await Self.logits(path, tokens))
    #expect(difference <= 2e-6, "\(path): \(difference)")
    #expect(old.traits.contextMask == new.traits.contextMask)
    #expect(old.traits.logitAlignment == new.traits.logitAlignment)
    let (first, second) = (try Tokenizer.load(folder: path), try Tokenizer.load(folder: back))
    // The file says what the configuration or the tokenizer say.
    #expect(old.traits.maskToken ?? first.maskToken == new.traits.maskToken ?? second.maskToken)
    for vector in try Self.expectation(path).array("tokenizer") {
      let text = try vector.string("text")
      #expect(second.encode(text) == first.encode(text), "\(text)")
      #expect(second.decode(first.encode(text)) == first.decode(first.encode(text)), "\(text)")
    }
    #expect(before.generationConfiguration.endTokens == after.generationConfiguration.endTokens)
    #expect(try folder.names() == ["back", "model.gguf"])
  }

  /// A copy of the small Qwen2 checkpoint whose configuration is changed.
  private func qwen2(_ name: String, _ change: (inout JSONObject) -> Void) throws -> String {
    let source = SharedData.packageFolder + "/Tests/Fixtures/models/qwen2"
    let copy = folder.path + "/" + name
    try FileManager.default.copyItem(atPath: source, toPath: copy)
    let data = try Data(contentsOf: URL(fileURLWithPath: source + "/config.json"))
    var config = try #require(try JSONValue(parsing: [UInt8](data)).objectValue)
    change(&config)
    try folder.write(name + "/config.json", JSONValue.object(config).bytes())
    return copy
  }

  @Test func `a model adapted to blocks is one in both containers, and still autoregressive`() throws {
    let adapted = try qwen2("adapted") { config in
      config["block_size"] = 16
      config["block_context"] = "causal"
      config["shift_logits"] = true
      config["mask_token_id"] = 7
    }
    let file = try convert(adapted, "adapted.gguf", .f16)
    let back = try convert(file, "back", .f16)
    for path in [adapted, file, back] {
      let traits = try DecoderModel.inspect(try ModelSource(path: path)).traits
      #expect(traits.contextMask == .contextCausal(size: 16), "\(path)")
      #expect(traits.isAutoregressive && traits.blockSize == 16 && traits.logitAlignment == .previous)
      #expect(traits.maskToken == 7, "the configuration's, not the tokenizer's")
    }
    let plain = try DecoderModel.inspect(try ModelSource(path: try qwen2("plain") { _ in }))
    #expect(plain.traits.contextMask == .causal)
  }

  @Test func `contradictory or incomplete keys of blocks are refused by name`() throws {
    for (name, word, change) in [
      ("kind", "sideways", { $0["block_context"] = "sideways" }),
      ("size", "block_size", { $0["block_context"] = "causal" }),
      (
        "shift", "not shifted",
        {
          $0["block_context"] = "causal"
          $0["block_size"] = 8
          $0["shift_logits"] = false
        }
      ),
    ] as [(String, String, (inout JSONObject) -> Void)] {
      let path = try qwen2(name, change)
      #expect {
        try DecoderModel.inspect(try ModelSource(path: path))
      } throws: {
        "\($0)".contains(word)
      }
    }
  }

  @Test func `a folder in another format keeps its other files`() throws {
    let path = SharedData.packageFolder + "/Tests/Fixtures/models/qwen2"
    let output = try convert(path, "half", .f16)
    let (before, after) = (try ModelSource(path: path), try ModelSource(path: output))
    #expect(before.weights.names.sorted() == after.weights.names.sorted())
    for name in after.weights.names {
      #expect(try after.weights.tensor(named: name).type == .f16)
      #expect(try after.weights.tensor(named: name).shape == before.weights.tensor(named: name).shape)
    }
    let files = FileManager.default
    for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
      #expect(files.contents(atPath: path + "/" + name) == files.contents(atPath: output + "/" + name))
    }
    guard case .folder(let written) = after else {
      Issue.record("no folder")
      return
    }
    #expect(written.configuration["torch_dtype"] == "float16")
  }

  @Test func `a folder that holds other things is not replaced`() throws {
    let path = SharedData.packageFolder + "/Tests/Fixtures/models/qwen2"
    try FileManager.default.createDirectory(
      atPath: folder.path + "/letters", withIntermediateDirectories: false)
    try folder.write("letters/letter.txt", "Dear")
    let options = ConversionOptions(format: .f16, container: .hf, replacesOutput: true)
    let converter = ModelConverter(try ModelSource(path: path), options: options)
    #expect(throws: ModelFileError.self) { try converter.convert(to: folder.path + "/letters") }
    #expect(try folder.names() == ["letters"])
    // A model is replaced, file by file, and what belongs to nobody stays.
    _ = try convert(path, "model", .f32)
    try folder.write("model/notes.txt", "mine")
    _ = try converter.convert(to: folder.path + "/model/")
    #expect(
      try ModelSource(path: folder.path + "/model").weights.tensor(named: "model.norm.weight").type == .f16)
    #expect(FileManager.default.fileExists(atPath: folder.path + "/model/notes.txt"))
    #expect(throws: ConversionError.outputIsInput(path)) { try converter.convert(to: path) }
  }

  /// A key, where its value's first byte stands behind it, and another one.
  @Test(arguments: [
    ("sdar", "blockwise.diffusion.anchor", 12, UInt8(ascii: "x")),
    ("sdar", "blockwise.diffusion.context", 12, UInt8(ascii: "x")),
    ("fast-dllm-qwen", "diffusion.shift_logits", 4, 0),
    ("fast-dllm-qwen", "blockwise.diffusion.block_size", 4, 0),
  ])
  func `keys of blocks that contradict the architecture are refused by name`(
    name: String, key: String, offset: Int, byte: UInt8
  ) throws {
    let source = try convert(SharedData.packageFolder + "/Tests/Fixtures/models/\(name)", "a.gguf", .f16)
    #expect(throws: Never.self) { try DecoderModel.inspect(try ModelSource(path: source)) }
    var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: source)))
    let place = try #require(bytes.firstRange(of: Array(key.utf8)))
    bytes[place.upperBound + offset] = byte
    try folder.write("b.gguf", bytes)
    #expect {
      try DecoderModel.inspect(try ModelSource(path: folder.path + "/b.gguf"))
    } throws: {
      "\($0)".contains(key)
    }
  }

  @Test func `features without a place in GGUF are refused by name`() throws {
    let qwen = SharedData.packageFolder + "/Tests/Fixtures/models/qwen2"
    let copy = folder.path + "/copy"
    try FileManager.default.copyItem(atPath: qwen, toPath: copy)
    var config = try #require(
      try JSONValue(parsing: [UInt8](try Data(contentsOf: URL(fileURLWithPath: qwen + "/config.json"))))
        .objectValue)
    config["use_sliding_window"] = true
    config["sliding_window"] = 4
    config["max_window_layers"] = 0
    config["layer_types"] = nil
    try folder.write("copy/config.json", JSONValue.object(config).bytes())
    #expect {
      try convert(copy, "a.gguf", .f16)
    } throws: {
      "\($0)".contains("a sliding window")
    }
    #expect(try folder.names() == ["copy"])
  }

  @Test func `a folder with a SentencePiece model keeps its scores in a GGUF file`() throws {
    let copy = folder.path + "/copy"
    try FileManager.default.copyItem(
      atPath: SharedData.packageFolder + "/Tests/Fixtures/models/mistral", toPath: copy)
    try FileManager.default.removeItem(atPath: copy + "/tokenizer.json")
    var writer = SentencePieceWriter()
    writer.modelType = 2
    writer.trainer = [(35, 1)]
    writer.normalizer = [(3, 1), (4, 0)]
    writer.pieces = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3)]
    writer.pieces += (0..<256).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return ("<0x" + (digits.count < 2 ? "0" : "") + digits + ">", 0, 6)
    }
    // Longer tokens first, some of which no rule of neighbours would give in this order.
    for (index, text) in ["\u{2581}t", "he", "\u{2581}the", "in", "er", "ing", "\u{2581}king"].enumerated() {
      writer.pieces.append((text, Float(-index), 1))
    }
    for (index, text) in ["\u{2581}", "t", "h", "e", "i", "n", "g", "r", "k", "é"].enumerated() {
      writer.pieces.append((text, Float(-1000 - index), 1))
    }
    try folder.write("copy/tokenizer.model", writer.bytes())
    let file = try GGUFFile(path: try convert(copy, "a.gguf", .f16))
    #expect(
      file["tokenizer.ggml.scores"]?.arrayValue?.numbers?[259..<266].map { Int($0) }
        == [0, -1, -2, -3, -4, -5, -6])
    #expect(file["tokenizer.ggml.token_type"]?.arrayValue?.integers?.prefix(4) == [2, 3, 3, 6])
    let (before, after) = (try Tokenizer.load(folder: copy), try Tokenizer.load(gguf: file))
    for text in ["the king", "the  thing", "hering", "é in the", "東京", "", " t", "</s>the"] {
      #expect(after.encode(text) == before.encode(text), "\(text)")
      #expect(after.decode(before.encode(text)) == before.decode(before.encode(text)), "\(text)")
    }
  }

  @Test func `pre-tokenisers get the name that GGUF has for them, or are refused`() throws {
    let copy = folder.path + "/copy"
    let qwen = SharedData.packageFolder + "/Tests/Fixtures/models/qwen2"
    try FileManager.default.copyItem(atPath: qwen, toPath: copy)
    let url = URL(fileURLWithPath: qwen + "/tokenizer.json")
    let original = try #require(try JSONValue(parsing: [UInt8](try Data(contentsOf: url))).objectValue)
    func split(_ expression: String) -> JSONValue {
      [
        "type": "Split", "pattern": ["Regex": .string(expression)], "behavior": "Isolated", "invert": false,
      ]
    }
    let bytes: JSONValue = ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false]
    let pattern: JSONValue = ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true]
    let llama3 =
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"#
      + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
    let digits: JSONValue = ["type": "Digits", "individual_digits": true]
    for (steps, normalizer, ignoresMerges, name) in [
      ([split(llama3), bytes], JSONValue.null, true, "llama-bpe"),
      ([split(llama3), bytes], .null, false, "dbrx"),
      ([pattern], .null, false, "gpt-2"), ([digits, pattern], .null, false, "smollm"),
      ([split(#"\w+"#), bytes], .null, false, nil), ([bytes, split(llama3)], .null, false, nil),
      ([pattern], ["type": "Lowercase"], false, nil),
      ([["type": "ByteLevel", "add_prefix_space": true, "use_regex": true]], .null, false, nil),
    ] as [([JSONValue], JSONValue, Bool, String?)] {
      var json = original
      var model = try #require(json["model"]?.objectValue)
      model["ignore_merges"] = .bool(ignoresMerges)
      json["model"] = .object(model)
      json["normalizer"] = normalizer
      json["pre_tokenizer"] = ["type": "Sequence", "pretokenizers": .array(steps)]
      try folder.write("copy/tokenizer.json", JSONValue.object(json).bytes())
      if let name {
        let file = try GGUFFile(path: try convert(copy, "\(name).gguf", .f16))
        #expect(file["tokenizer.ggml.pre"]?.stringValue == name)
      } else {
        #expect(throws: TokenizerError.self) { try convert(copy, "bad.gguf", .f16) }
      }
    }
  }

  @Test func `weights in codes of another scheme are refused, positions pass through`() throws {
    let source = SharedData.packageFolder + "/Tests/Fixtures/models/llama"
    let copy = folder.path + "/copy"
    try FileManager.default.copyItem(atPath: source, toPath: copy)
    let store = try SafetensorsFile(path: source + "/model.safetensors")
    let coded = "model.layers.0.mlp.up_proj.weight"
    func write(codes: Bool) throws {
      var writer = SafetensorsWriter()
      for name in store.names {
        let view = try store.tensor(named: name)
        let isCoded = codes && name == coded
        try writer.append(
          name, type: isCoded ? try #require(TensorType.safetensors("I8")) : view.type, shape: view.shape,
          bytes: isCoded ? [UInt8](repeating: 1, count: view.elementCount) : Array(view.bytes))
      }
      try writer.append(
        "model.position_ids", type: .i64, shape: [2], bytes: [UInt8](repeating: 0, count: 16))
      try writer.write(to: copy + "/model.safetensors")
    }
    try write(codes: true)
    #expect {
      try convert(copy, "a.gguf", .f16)
    } throws: {
      "\($0)".contains(coded)
    }
    try write(codes: false)
    let file = try GGUFFile(path: try convert(copy, "a.gguf", .f16))
    #expect(!file.names.contains { $0.contains("position") })
    let back = try ModelSource(path: try convert(copy, "half", .f16))
    #expect(try back.weights.tensor(named: "model.position_ids").type == .i64)
    #expect(try back.weights.tensor(named: coded).type == .f16)
  }
}
