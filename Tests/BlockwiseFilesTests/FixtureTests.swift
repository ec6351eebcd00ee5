import BlockwiseFiles
import BlockwiseKernels
import BlockwiseTestSupport
import Testing

/// Opens every reference checkpoint and compares what is found with what its configuration says.
@Suite(.enabled(if: SharedData.isAvailable)) struct FixtureTests {
  private static let quantised = ["llama", "qwen2", "qwen3"]

  @Test(arguments: SharedData.names(in: "parity/models"))
  func `a reference folder opens and agrees with its configuration`(name: String) throws {
    let source = try ModelSource(path: SharedData.path("parity/models/\(name)"))
    guard case .folder(let folder) = source else {
      Issue.record("\(name) is no folder")
      return
    }
    let config = folder.configuration
    // LLaDA has names of its own.
    let hidden = try config.integerIfPresent("hidden_size") ?? config.integer("d_model")
    let layers = try config.integerIfPresent("num_hidden_layers") ?? config.integer("n_layers")
    let vocabulary = try config.integerIfPresent("embedding_size") ?? config.integer("vocab_size")
    let embedding = try #require(
      folder.weights.names.first {
        $0.hasSuffix("embed_tokens.weight") || $0.hasSuffix("embed_in.weight") || $0.hasSuffix("wte.weight")
      })
    let view = try folder.weights.tensor(named: embedding)
    #expect(view.shape == [vocabulary, hidden])
    #expect(view.elementCount == vocabulary * hidden)
    let type = try config.stringIfPresent("torch_dtype") ?? config.string("dtype")
    #expect(view.type.weightFormat == (type == "float32" ? .f32 : .bf16))
    #expect(view.byteCount == vocabulary * hidden * (type == "float32" ? 4 : 2))
    for layer in 0..<layers {
      #expect(folder.weights.names.contains { $0.contains(".\(layer).") })
    }
    #expect(!folder.weights.names.contains { $0.contains("layers.\(layers).") })
    #expect(folder.tokenizerPath != nil)
    #expect(folder.tokenizerConfiguration?["chat_template"]?.stringValue != nil)
    #expect(folder.generationConfiguration.endTokens.count == 1)
    try readAll(folder.weights)
  }

  @Test func `a folder opens with its recommended sampling`() throws {
    let source = try ModelSource(path: SharedData.path("parity/models/gemma2/"))
    let generation = source.generationConfiguration
    #expect(generation.endTokens == [5])
    #expect(generation.beginToken == 2)
    #expect(generation.doesSample == false)
    #expect(generation.temperature == 0.7)
    #expect(generation.topP == 0.9)
    #expect(generation.topK == nil)
  }

  @Test(
    arguments: quantised.flatMap { folder in
      SharedData.names(in: "parity/gguf/\(folder)").filter { $0.hasSuffix(".gguf") }.map { "\(folder)/\($0)" }
    })
  func `a reference GGUF file opens and agrees with its metadata`(name: String) throws {
    let source = try ModelSource(path: SharedData.path("parity/gguf/\(name)"))
    guard case .gguf(let file) = source else {
      Issue.record("\(name) is no GGUF file")
      return
    }
    let architecture = try #require(file["general.architecture"]?.stringValue)
    #expect(name.hasPrefix(architecture))
    #expect(file.version == 3)
    let hidden = try #require(file["\(architecture).embedding_length"]?.integerValue)
    let inner = try #require(file["\(architecture).feed_forward_length"]?.integerValue)
    let tokens = try #require(file["tokenizer.ggml.tokens"]?.arrayValue?.strings)
    let kinds = try #require(file["tokenizer.ggml.token_type"]?.arrayValue?.integers)
    #expect(tokens.count == kinds.count)
    #expect(try file.tensor(named: "token_embd.weight").shape == [tokens.count, hidden])
    #expect(try file.tensor(named: "blk.0.ffn_down.weight").shape == [hidden, inner])
    #expect(try file.tensor(named: "blk.0.ffn_up.weight").shape == [inner, hidden])
    #expect(file["tokenizer.chat_template"]?.stringValue?.isEmpty == false)
    let end = try #require(file["tokenizer.ggml.eos_token_id"]?.integerValue)
    #expect(source.generationConfiguration.endTokens.first == TokenID(end))
    try readAll(file)
  }

  @Test func `a real vocabulary file without tensors opens`() throws {
    let file = try GGUFFile(path: SharedData.path("parity/tokenizers/gguf/ggml-vocab-phi-3.gguf"))
    #expect(file.names.isEmpty)
    let tokens = try #require(file["tokenizer.ggml.tokens"]?.arrayValue?.strings)
    let scores = try #require(file["tokenizer.ggml.scores"]?.arrayValue?.numbers)
    #expect(tokens.count == 32064)
    #expect(scores.count == tokens.count)
    #expect(Array(tokens[1]) == Array("<s>".utf8))
    #expect(file["general.architecture"]?.stringValue == "phi3")
  }

  @Test(arguments: [WeightFormat.q4_0, .q8_0])
  func `raw blocks decode to the reference values`(format: WeightFormat) throws {
    let file = try SafetensorsFile(path: SharedData.path("parity/gguf/blocks.safetensors"))
    let raw = try file.tensor(named: "\(format.name).raw")
    let expected = try file.tensor(named: "\(format.name).values")
    #expect(raw.shape[1] == format.blockByteCount)
    #expect(expected.shape == [raw.shape[0], format.blockElementCount])
    var values = [Float](repeating: .nan, count: expected.elementCount)
    let source = try #require(raw.bytes.baseAddress)
    try values.withUnsafeMutableBufferPointer { values in
      format.decode(source, elementCount: values.count, into: try #require(values.baseAddress))
    }
    let isEqual = values.withUnsafeBytes { $0.elementsEqual(expected.bytes) }
    #expect(isEqual)
  }

  @Test func `half-precision tensors of both formats hold the same bytes`() throws {
    let gguf = try GGUFFile(path: SharedData.path("parity/gguf/llama/llama-F16.gguf"))
    let folder = try SafetensorsFile(path: SharedData.path("parity/gguf/llama/hf/model.safetensors"))
    let one = try gguf.tensor(named: "token_embd.weight")
    let other = try folder.tensor(named: "model.embed_tokens.weight")
    #expect(one.shape == other.shape)
    #expect(one.bytes.elementsEqual(other.bytes))
  }

  private func readAll(_ store: any WeightStore) throws {
    var byteCount = 0
    for name in store.names {
      let view = try store.tensor(named: name)
      #expect(view.type.byteCount(elementCount: view.elementCount) == view.byteCount)
      let sum = view.bytes.reduce(into: UInt64(0)) { $0 &+= UInt64($1) }
      view.release()
      #expect(view.bytes.reduce(into: UInt64(0)) { $0 &+= UInt64($1) } == sum)
      byteCount += view.byteCount
    }
    #expect(byteCount == store.byteCount)
    #expect(throws: ModelFileError.tensorMissing(name: "none", file: store.path)) {
      try store.tensor(named: "none")
    }
  }
}
