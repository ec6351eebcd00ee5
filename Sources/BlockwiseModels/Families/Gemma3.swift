internal import BlockwiseFiles

/// Gemma 3, text part (arXiv 2503.19786): norms on q and k, and layers with a window that have a rotary base of their own.
enum Gemma3: ModelFamily {
  static let name = "gemma3"
  static let architectures = ["Gemma3ForCausalLM"]
  static let modelTypes = ["gemma3_text"]
  static let ggufArchitectures = ["gemma3"]
  static let defaults: JSONValue = [
    "vocab_size": 262_208, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
    "max_position_embeddings": 131_072, "sliding_window": 4096, "rope_theta": 1e6,
  ]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    var configuration = try config.gemmaConfiguration()
    configuration.hasQueryKeyNorm = true
    configuration.finalSoftCap = try config.optionalDouble("final_logit_softcapping").map { Float($0) }
    if try config.optionalDouble("attn_logit_softcapping") != nil {
      throw ModelError.unsupported("attn_logit_softcapping in Gemma 3", file: config.file)
    }
    let pattern = try config.optionalInt("sliding_window_pattern", in: 1...1 << 12) ?? 6
    configuration.windows = try config.gemmaWindows(layerCount: configuration.layerCount, pattern: pattern)
    if let parameters = try config.object("rope_parameters"), let full = parameters.value("full_attention") {
      // The newest files have one set of parameters per kind of layer.
      configuration.rotary = try rotary(full, config, configuration)
      configuration.windowRotary = try parameters.value("sliding_attention").map {
        try rotary($0, config, configuration)
      }
    } else {
      configuration.windowRotary = RotaryConfiguration(
        base: try config.optionalDouble("rope_local_base_freq") ?? 10_000,
        dimension: configuration.rotary.dimension)
    }
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: .gemma)
  }

  /// Layers with a window have the plain base 10 000, and no scaling, unless the file says otherwise.
  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    var configuration = try metadata.gemmaConfiguration(layersOfWideScale: 62)
    configuration.hasQueryKeyNorm = true
    configuration.finalSoftCap = try metadata.optionalDouble("final_logit_softcapping").map { Float($0) }
    if try metadata.optionalDouble("rope.freq_base") == nil { configuration.rotary.base = 1_000_000 }
    configuration.windowRotary = RotaryConfiguration(
      base: try metadata.optionalDouble("rope.freq_base_swa") ?? 10_000,
      dimension: configuration.rotary.dimension)
    configuration.windows = try metadata.gemmaWindows(
      layerCount: configuration.layerCount, window: 0, pattern: 6)
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: .gemmaGGUF)
  }

  private static func rotary(
    _ parameters: JSONValue, _ config: ConfigReader, _ configuration: DecoderConfiguration
  ) throws -> RotaryConfiguration {
    let object: JSONValue = ["rope_parameters": parameters]
    return try ConfigReader(object, file: config.file).rotary(
      headDimension: configuration.headDimension, contextLength: configuration.contextLength)
  }
}
