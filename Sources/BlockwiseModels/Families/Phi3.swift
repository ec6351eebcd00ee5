internal import BlockwiseFiles

/// Phi-3 and Phi-4 (arXiv 2404.14219, 2412.08905): Llama with fused projections, and longrope in the long versions.
///
/// Longrope has two sets of factors; which of them holds is decided by the context the model is loaded for, because
/// changing it later would invalidate cached keys.
enum Phi3: ModelFamily {
  static let name = "phi3"
  static let architectures = ["Phi3ForCausalLM"]
  static let modelTypes = ["phi3"]
  static let ggufArchitectures = ["phi3"]
  static let defaults: JSONValue = [
    "rms_norm_eps": 1e-5, "max_position_embeddings": 4096, "original_max_position_embeddings": 4096,
    "vocab_size": 32_064,
  ]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    var configuration = try config.decoderConfiguration()
    configuration.windows = try config.windows(layerCount: configuration.layerCount, isUsed: true)
    var names = TensorNames.huggingFace
    names.fusedQueryKeyValue = "self_attn.qkv_proj"
    names.fusedGateUp = "mlp.gate_up_proj"
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: names)
  }

  /// GGUF files bring longrope's factors as tensors and keep gate and up in `ffn_up`.
  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    var configuration = try metadata.decoderConfiguration(layout: .half)
    let window = try metadata.optionalInt("attention.sliding_window", in: 0...1 << 30) ?? 0
    if window > 0 { configuration.windows = Array(repeating: window, count: configuration.layerCount) }
    var names = TensorNames.gguf
    names.fusedQueryKeyValue = "attn_qkv"
    names.fusedGateUp = "ffn_up"
    var description = ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: names)
    if metadata.contains("rope_factors_long.weight") {
      description.rotaryTensors = .longrope(
        short: "rope_factors_short.weight", long: "rope_factors_long.weight",
        originalContext: try metadata.int("rope.scaling.original_context_length", in: 1...1 << 30),
        attentionFactor: try metadata.optionalDouble("rope.scaling.attn_factor") ?? 1)
    }
    return description
  }
}
