internal import BlockwiseFiles

/// Llama 2 and 3 (Meta): the plain lineage. arXiv 2307.09288, 2407.21783.
enum Llama: ModelFamily {
  static let name = "llama"
  static let architectures = ["LlamaForCausalLM"]
  static let modelTypes = ["llama"]
  static let ggufArchitectures = ["llama"]
  static let defaults: JSONValue = [
    "vocab_size": 32_000, "num_attention_heads": 32, "max_position_embeddings": 2048,
  ]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    var configuration = try config.decoderConfiguration()
    let hasBias = try config.optionalBool("attention_bias") ?? false
    configuration.hasQueryKeyValueBias = hasBias
    configuration.hasAttentionOutputBias = hasBias
    configuration.hasFeedForwardBias = try config.optionalBool("mlp_bias") ?? false
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: .huggingFace)
  }

  /// GGUF files of this architecture hold Llama, Mistral and others of the lineage; q and k rows are stored pairwise.
  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    var configuration = try metadata.decoderConfiguration(layout: .interleaved)
    if let window = try metadata.optionalInt("attention.sliding_window", in: 1...1 << 30) {
      configuration.windows = Array(repeating: window, count: configuration.layerCount)
    }
    if let experts = try metadata.optionalInt("expert_count", in: 0...1 << 20), experts > 0 {
      throw ModelError.unsupported("a mixture of experts in architecture llama", file: metadata.file)
    }
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: .gguf,
      rotaryTensors: .divisors("rope_freqs.weight"))
  }
}
