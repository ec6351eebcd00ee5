/// Gemma 2 (arXiv 2408.00118): four norms per layer stored less one, soft caps, a window on every other layer.
enum Gemma2: ModelFamily {
  static let name = "gemma2"
  static let architectures = ["Gemma2ForCausalLM"]
  static let modelTypes = ["gemma2"]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    var configuration = try config.gemmaConfiguration()
    configuration.attentionSoftCap = try config.optionalDouble("attn_logit_softcapping").map { Float($0) }
    configuration.finalSoftCap = try config.optionalDouble("final_logit_softcapping").map { Float($0) }
    configuration.windows = try config.gemmaWindows(layerCount: configuration.layerCount, pattern: 2)
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: .gemma)
  }
}

extension ConfigReader {
  /// What Gemma 2 and 3 share.
  func gemmaConfiguration() throws -> DecoderConfiguration {
    var configuration = try decoderConfiguration(
      defaultContext: 8192, activations: ["gelu_pytorch_tanh", "gelu_tanh"])
    configuration.activation = .geluTanh
    configuration.hasPostNorms = true
    configuration.storesNormsLessOne = true
    configuration.embeddingScale = Float(configuration.hiddenSize).squareRoot()
    let scalar = try optionalDouble("query_pre_attn_scalar") ?? 256
    configuration.attentionScale = Float(1 / scalar.squareRoot())
    configuration.tiesEmbeddings = try optionalBool("tie_word_embeddings") ?? true
    if try optionalBool("attention_bias") == true {
      throw ModelError.unsupported("attention_bias", file: file)
    }
    return configuration
  }

  /// Windows by `layer_types`, else on all layers but every `pattern`-th.
  func gemmaWindows(layerCount: Int, pattern: Int) throws -> [Int?] {
    if value("layer_types") != nil { return try windows(layerCount: layerCount, isUsed: true) }
    let window = try optionalInt("sliding_window") ?? 4096
    return (0..<layerCount).map { ($0 + 1) % pattern == 0 ? nil : window }
  }
}

extension TensorNames {
  /// Gemma's names: what other families call `post_attention_layernorm` stands behind attention here.
  static var gemma: TensorNames {
    var names = TensorNames.huggingFace
    names.attentionPostNorm = "post_attention_layernorm"
    names.feedForwardNorm = "pre_feedforward_layernorm"
    names.feedForwardPostNorm = "post_feedforward_layernorm"
    return names
  }
}
