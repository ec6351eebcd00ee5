/// Phi-3 and Phi-4 (arXiv 2404.14219, 2412.08905): Llama with fused projections, and longrope in the long versions.
///
/// Longrope has two sets of factors; which of them holds is decided by the context the model is loaded for, because
/// changing it later would invalidate cached keys.
enum Phi3: ModelFamily {
  static let name = "phi3"
  static let architectures = ["Phi3ForCausalLM"]
  static let modelTypes = ["phi3"]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    var configuration = try config.decoderConfiguration()
    configuration.windows = try config.windows(layerCount: configuration.layerCount, isUsed: true)
    var names = TensorNames.huggingFace
    names.fusedQueryKeyValue = "self_attn.qkv_proj"
    names.fusedGateUp = "mlp.gate_up_proj"
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: names)
  }
}
