internal import BlockwiseFiles

/// Mistral (arXiv 2310.06825): Llama with a sliding window in 7B v0.1, and a head size of its own in Nemo.
enum Mistral: ModelFamily {
  static let name = "mistral"
  static let architectures = ["MistralForCausalLM"]
  static let modelTypes = ["mistral"]
  static let defaults: JSONValue = [
    "num_key_value_heads": 8, "sliding_window": 4096, "max_position_embeddings": 131_072,
    "vocab_size": 32_000,
    "num_attention_heads": 32,
  ]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    var configuration = try config.decoderConfiguration()
    configuration.windows = try config.windows(layerCount: configuration.layerCount, isUsed: true)
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: .huggingFace)
  }
}
