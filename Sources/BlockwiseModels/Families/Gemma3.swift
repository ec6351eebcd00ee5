internal import BlockwiseFiles

/// Gemma 3, text part (arXiv 2503.19786): norms on q and k, and layers with a window that have a rotary base of their own.
enum Gemma3: ModelFamily {
  static let name = "gemma3"
  static let architectures = ["Gemma3ForCausalLM"]
  static let modelTypes = ["gemma3_text"]

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

  private static func rotary(
    _ parameters: JSONValue, _ config: ConfigReader, _ configuration: DecoderConfiguration
  ) throws -> RotaryConfiguration {
    let object: JSONValue = ["rope_parameters": parameters]
    return try ConfigReader(object, file: config.file).rotary(
      headDimension: configuration.headDimension, contextLength: configuration.contextLength)
  }
}
