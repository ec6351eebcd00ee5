internal import BlockwiseFiles

/// Gemma 2 (arXiv 2408.00118): four norms per layer stored less one, soft caps, a window on every other layer.
enum Gemma2: ModelFamily {
  static let name = "gemma2"
  static let architectures = ["Gemma2ForCausalLM"]
  static let modelTypes = ["gemma2"]
  static let ggufArchitectures = ["gemma2"]
  static let defaults: JSONValue = [
    "vocab_size": 256_000, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
    "max_position_embeddings": 8192, "sliding_window": 4096, "attn_logit_softcapping": 50,
    "final_logit_softcapping": 30,
  ]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    var configuration = try config.gemmaConfiguration()
    configuration.attentionSoftCap = try config.optionalDouble("attn_logit_softcapping").map { Float($0) }
    configuration.finalSoftCap = try config.optionalDouble("final_logit_softcapping").map { Float($0) }
    configuration.windows = try config.gemmaWindows(layerCount: configuration.layerCount, pattern: 2)
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: .gemma)
  }

  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    // 27B is the one that scales by the width of the model: it is known by its 46 layers.
    var configuration = try metadata.gemmaConfiguration(layersOfWideScale: 46)
    configuration.attentionSoftCap = Float(try metadata.optionalDouble("attn_logit_softcapping") ?? 50)
    configuration.finalSoftCap = Float(try metadata.optionalDouble("final_logit_softcapping") ?? 30)
    configuration.windows = try metadata.gemmaWindows(
      layerCount: configuration.layerCount, window: 4096, pattern: 2)
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: .gemmaGGUF)
  }
}

extension GGUFReader {
  /// What Gemma 2 and 3 share; norms are stored as they are multiplied with.
  func gemmaConfiguration(layersOfWideScale: Int) throws -> DecoderConfiguration {
    var configuration = try decoderConfiguration(layout: .half)
    configuration.activation = .geluTanh
    configuration.hasPostNorms = true
    configuration.embeddingScale = Float(configuration.hiddenSize).squareRoot()
    // The scale has a key of its own in newer files; the others imply it.
    if let scale = try optionalDouble("attention.scale") {
      configuration.attentionScale = Float(scale)
    } else if configuration.layerCount == layersOfWideScale {
      let width = Float(configuration.hiddenSize / configuration.headCount)
      configuration.attentionScale = 1 / width.squareRoot()
    }
    return configuration
  }

  /// Windows on all layers but every `pattern`-th; the file may name another pattern, or one flag per layer.
  func gemmaWindows(layerCount: Int, window: Int, pattern: Int) throws -> [Int?] {
    let window = try optionalInt("attention.sliding_window", in: 0...1 << 30) ?? window
    guard window > 0 else { return Array(repeating: nil, count: layerCount) }
    let key = "\(architecture).attention.sliding_window_pattern"
    if let flags = metadata[key]?.arrayValue?.bools {
      guard flags.count == layerCount else {
        throw ModelError.key(
          key, found: "\(flags.count) flags", expected: "\(layerCount), one per layer", file: file)
      }
      return flags.map { $0 ? window : nil }
    }
    let pattern = try optionalInt("attention.sliding_window_pattern", in: 1...1 << 12) ?? pattern
    return (0..<layerCount).map { ($0 + 1) % pattern == 0 ? nil : window }
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

  /// Gemma's names in GGUF files.
  static var gemmaGGUF: TensorNames {
    var names = TensorNames.gguf
    names.attentionPostNorm = "post_attention_norm"
    names.feedForwardPostNorm = "post_ffw_norm"
    return names
  }
}
