internal import BlockwiseFiles

/// SmolLM3 (Hugging Face, 2025): Llama with every fourth layer left without rotary positions.
enum SmolLM3: ModelFamily {
  static let name = "smollm3"
  static let architectures = ["SmolLM3ForCausalLM"]
  static let modelTypes = ["smollm3"]
  static let ggufArchitectures = ["smollm3"]
  static let defaults: JSONValue = [
    "num_key_value_heads": 4, "max_position_embeddings": 32_768, "rope_theta": 2e6,
    "tie_word_embeddings": true,
  ]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    var configuration = try config.decoderConfiguration()
    let hasBias = try config.optionalBool("attention_bias") ?? false
    configuration.hasQueryKeyValueBias = hasBias
    configuration.hasAttentionOutputBias = hasBias
    configuration.hasFeedForwardBias = try config.optionalBool("mlp_bias") ?? false
    configuration.windows = try config.windows(
      layerCount: configuration.layerCount, isUsed: config.optionalBool("use_sliding_window") ?? false)
    configuration.rotaryLayers = try rotaryLayers(config, count: configuration.layerCount)
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: .huggingFace)
  }

  /// GGUF files store q and k pairwise; which layers go without positions is the architecture's, not the file's.
  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    var configuration = try metadata.decoderConfiguration(layout: .interleaved)
    configuration.rotaryLayers = (0..<configuration.layerCount).map { ($0 + 1) % 4 != 0 }
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: .gguf)
  }

  /// `no_rope_layers` means the opposite of its name: 1 where positions *are* used.
  private static func rotaryLayers(_ config: ConfigReader, count: Int) throws -> [Bool] {
    guard let flags = try config.ints("no_rope_layers") else {
      let interval = try config.optionalInt("no_rope_layer_interval", in: 1...1 << 12) ?? 4
      return (0..<count).map { ($0 + 1) % interval != 0 }
    }
    guard flags.count == count, flags.allSatisfy({ $0 == 0 || $0 == 1 }) else {
      throw ModelError.key(
        "no_rope_layers", found: "\(flags.count) numbers", expected: "\(count) numbers that are 0 or 1",
        file: config.file)
    }
    return flags.map { $0 == 1 }
  }
}
