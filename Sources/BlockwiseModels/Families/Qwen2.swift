internal import BlockwiseFiles

/// Qwen2 and Qwen2.5 (arXiv 2412.15115): Llama with biases on q, k and v.
enum Qwen2: ModelFamily {
  static let name = "qwen2"
  static let architectures = ["Qwen2ForCausalLM"]
  static let modelTypes = ["qwen2", "qwen2_vl_text", "qwen2_5_vl_text"]
  static let ggufArchitectures = ["qwen2"]
  static let multimodalArchitectures = [
    "Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration",
  ]
  static let defaults: JSONValue = [
    "num_key_value_heads": 32, "sliding_window": 4096, "max_position_embeddings": 32_768,
  ]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    let configuration = try config.qwen2Configuration()
    var traits = configuration.traits(family: name)
    // The other keys mean something only beside this one.
    if let context = try config.optionalString(BlockKeys.context) {
      try adapt(
        &traits, blockSize: config.optionalInt(BlockKeys.blockSize, in: 1...1 << 16),
        context: context, isShifted: config.optionalBool(BlockKeys.shift),
        maskToken: config.optionalInt("mask_token_id", in: 0...configuration.vocabularyCount - 1),
        file: config.file)
    }
    return ModelDescription(configuration: configuration, traits: traits, names: .huggingFace)
  }

  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    var configuration = try metadata.decoderConfiguration(layout: .half)
    configuration.hasQueryKeyValueBias = true
    var traits = configuration.traits(family: name)
    if let context = try metadata.optionalGlobalString(BlockKeys.ggufContext) {
      try metadata.expect(BlockKeys.ggufAnchor, BlockKeys.prompt)
      try adapt(
        &traits, blockSize: metadata.optionalGlobalInt(BlockKeys.ggufBlockSize, in: 1...1 << 16),
        context: context, isShifted: metadata.optionalGlobalBool(BlockKeys.ggufShift),
        maskToken: metadata.optionalGlobalInt(
          "tokenizer.ggml.mask_token_id", in: 0...configuration.vocabularyCount - 1),
        file: metadata.file)
    }
    return ModelDescription(configuration: configuration, traits: traits, names: .gguf)
  }

  /// A checkpoint that names the context of its blocks was adapted to block diffusion; without, it is the plain model.
  private static func adapt(
    _ traits: inout ModelTraits, blockSize: Int?, context: String, isShifted: Bool?, maskToken: Int?,
    file: String
  ) throws {
    guard context == BlockKeys.causal else {
      throw ModelError.unsupported("blocks in a context of kind \"\(context)\"", file: file)
    }
    guard isShifted ?? true else {
      throw ModelError.unsupported("a causal context with logits that are not shifted", file: file)
    }
    guard let blockSize else { throw ModelError.keyMissing(BlockKeys.blockSize, file: file) }
    traits.contextMask = .contextCausal(size: blockSize)
    traits.maskToken = maskToken.map { .init($0) }
  }
}

extension ConfigReader {
  /// Qwen2's switches, which Dream and Fast-dLLM v2 share.
  func qwen2Configuration() throws -> DecoderConfiguration {
    var configuration = try decoderConfiguration()
    configuration.hasQueryKeyValueBias = true
    configuration.windows = try qwenWindows(layerCount: configuration.layerCount)
    return configuration
  }

  /// The window is off unless `use_sliding_window`; older files leave the first `max_window_layers` layers without.
  func qwenWindows(layerCount: Int) throws -> [Int?] {
    let isUsed = try optionalBool("use_sliding_window") ?? false
    var windows = try windows(layerCount: layerCount, isUsed: isUsed)
    if isUsed, value("layer_types") == nil {
      let full = try optionalInt("max_window_layers", in: 0...1 << 20) ?? 28
      for layer in 0..<min(full, layerCount) { windows[layer] = nil }
    }
    return windows
  }
}
