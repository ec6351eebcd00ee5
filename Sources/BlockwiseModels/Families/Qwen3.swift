internal import BlockwiseFiles

/// Qwen3 (arXiv 2505.09388): norms on the heads of q and k instead of biases, and a head size of its own.
enum Qwen3: ModelFamily {
  static let name = "qwen3"
  static let architectures = ["Qwen3ForCausalLM"]
  static let modelTypes = ["qwen3", "qwen3_vl_text"]
  static let ggufArchitectures = ["qwen3"]
  static let defaults: JSONValue = [
    "num_key_value_heads": 32, "head_dim": 128, "sliding_window": 4096, "max_position_embeddings": 32_768,
  ]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    let configuration = try config.qwen3Configuration()
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: .huggingFace)
  }

  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    var configuration = try metadata.decoderConfiguration(layout: .half)
    configuration.hasQueryKeyNorm = true
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: .gguf)
  }
}

extension ConfigReader {
  /// Qwen3's switches, which SDAR shares.
  func qwen3Configuration() throws -> DecoderConfiguration {
    var configuration = try decoderConfiguration()
    configuration.hasQueryKeyNorm = true
    let hasBias = try optionalBool("attention_bias") ?? false
    configuration.hasQueryKeyValueBias = hasBias
    configuration.hasAttentionOutputBias = hasBias
    configuration.windows = try qwenWindows(layerCount: configuration.layerCount)
    return configuration
  }
}
