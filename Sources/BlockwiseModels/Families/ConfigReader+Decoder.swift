internal import BlockwiseFiles
internal import Foundation

/// What the configurations of the Llama lineage have in common, old and new key styles.
extension ConfigReader {
  /// The switches that all of the lineage share; families adjust the rest.
  func decoderConfiguration(
    defaultContext: Int = 2048, activations: [String] = ["silu", "swish"]
  ) throws -> DecoderConfiguration {
    let hidden = try int("hidden_size", in: 1...1 << 20)
    let heads = try int("num_attention_heads", in: 1...1 << 14)
    let keyValueHeads = try optionalInt("num_key_value_heads", in: 1...1 << 14) ?? heads
    let headDimension: Int
    if let given = try optionalInt("head_dim", in: 1...1 << 14) {
      headDimension = given
    } else {
      guard hidden % heads == 0 else {
        throw ModelError.key(
          "hidden_size", found: "\(hidden)", expected: "a multiple of num_attention_heads \(heads)",
          file: file)
      }
      headDimension = hidden / heads
    }
    try requireActivation(activations)
    let layers = try int("num_hidden_layers", in: 1...1 << 12)
    let context = try optionalInt("max_position_embeddings", in: 1...1 << 30) ?? defaultContext
    var configuration = DecoderConfiguration(
      hiddenSize: hidden, layerCount: layers, headCount: heads, keyValueHeadCount: keyValueHeads,
      headDimension: headDimension, feedForwardSize: try int("intermediate_size", in: 1...1 << 22),
      vocabularyCount: try int("vocab_size", in: 1...1 << 24), contextLength: context,
      normEpsilon: Float(try optionalDouble("rms_norm_eps") ?? 1e-6),
      rotary: try rotary(headDimension: headDimension, contextLength: context),
      windows: Array(repeating: nil, count: layers))
    configuration.tiesEmbeddings = try optionalBool("tie_word_embeddings") ?? false
    try configuration.validateHeads(file: file)
    return configuration
  }

  /// Refuses activations other than those the family has; the newer of the two keys decides.
  private func requireActivation(_ names: [String]) throws {
    for key in ["hidden_activation", "hidden_act"] {
      guard let activation = try optionalString(key) else { continue }
      guard names.contains(activation) else {
        throw ModelError.unsupported("\(key) \"\(activation)\"", file: file)
      }
      return
    }
  }

  /// Rotary embedding from `rope_parameters` (new) or `rope_theta` and `rope_scaling` (old).
  package func rotary(headDimension: Int, contextLength: Int) throws -> RotaryConfiguration {
    let parameters = try object("rope_parameters")
    let scaling = try parameters ?? object("rope_scaling")
    let base =
      try parameters?.optionalDouble("rope_theta") ?? optionalDouble("rope_theta", "rotary_emb_base")
      ?? 10_000
    let partial =
      try parameters?.optionalDouble("partial_rotary_factor")
      ?? optionalDouble("partial_rotary_factor", "rotary_pct") ?? 1
    let dimension = partial <= 1 ? Int(Double(headDimension) * partial) : 0
    guard dimension >= 2, dimension % 2 == 0 else {
      throw ModelError.key(
        "head_dim", found: "\(headDimension) with \(partial) of it rotated",
        expected: "an even number of rotated elements", file: file)
    }
    guard base > 1 else {
      throw ModelError.key("rope_theta", found: "\(base)", expected: "a number above 1", file: file)
    }
    if let scaling, try scaling.optionalString("rope_type", "type") == "ntk" {
      // The base alone grows, once and for all contexts: θ' = θ · s^(d / (d − 2)).
      guard dimension > 2 else {
        throw ModelError.key("rope_type", found: "ntk", expected: "more than 2 rotated elements", file: file)
      }
      let growth = pow(try scaling.double("factor"), Double(dimension) / Double(dimension - 2))
      return RotaryConfiguration(base: base * growth, dimension: dimension)
    }
    return RotaryConfiguration(
      base: base, dimension: dimension,
      scaling: try scaling?.rotaryScaling(
        dimension: dimension, contextLength: contextLength,
        originalContext: optionalInt("original_max_position_embeddings", in: 1...1 << 30)) ?? .none)
  }

  /// Reads an object with `rope_type` (or the older `type`).
  /// - Parameter outer: the original context where the configuration names it beside this object.
  private func rotaryScaling(
    dimension: Int, contextLength: Int, originalContext outer: Int?
  ) throws -> RotaryConfiguration.Scaling {
    let kind = try optionalString("rope_type", "type") ?? "default"
    func originalContext() throws -> Int {
      try optionalInt("original_max_position_embeddings", in: 1...1 << 30) ?? outer ?? contextLength
    }
    switch kind {
    // Of a multimodal model's three positions per token all are the same in text.
    case "default", "none", "mrope": return .none
    case "linear": return .linear(factor: try double("factor"))
    case "dynamic":
      guard dimension > 2 else {
        throw ModelError.key(
          "rope_type", found: "dynamic", expected: "more than 2 rotated elements", file: file)
      }
      return .dynamic(factor: try double("factor"), originalContext: try originalContext())
    case "llama3":
      let low = try double("low_freq_factor")
      let high = try double("high_freq_factor")
      guard high > low else {
        throw ModelError.key("high_freq_factor", found: "\(high)", expected: "more than \(low)", file: file)
      }
      return .llama3(
        factor: try double("factor"), lowFrequencyFactor: low, highFrequencyFactor: high,
        originalContext: try originalContext())
    case "yarn":
      let factor = try double("factor")
      let attention: Double
      if let given = try optionalDouble("attention_factor") {
        attention = given
      } else if let scale = try optionalDouble("mscale"), let all = try optionalDouble("mscale_all_dim") {
        attention =
          RotaryConfiguration.yarnAttentionFactor(factor, scale: scale)
          / RotaryConfiguration.yarnAttentionFactor(factor, scale: all)
      } else {
        attention = RotaryConfiguration.yarnAttentionFactor(factor)
      }
      return .yarn(
        factor: factor, originalContext: try originalContext(),
        betaFast: try optionalDouble("beta_fast") ?? 32,
        betaSlow: try optionalDouble("beta_slow") ?? 1, attentionFactor: attention,
        truncates: try optionalBool("truncate") ?? true)
    case "longrope", "su":
      func factors(_ key: String) throws -> [Double] {
        guard let values = try doubles(key) else { throw ModelError.keyMissing(key, file: file) }
        guard values.count == dimension / 2, values.allSatisfy({ $0 > 0 }) else {
          throw ModelError.key(
            key, found: "\(values.count) numbers", expected: "\(dimension / 2) positive numbers", file: file)
        }
        return values
      }
      let original = try originalContext()
      let extended = Double(contextLength) / Double(original)
      return .longrope(
        short: try factors("short_factor"), long: try factors("long_factor"), originalContext: original,
        attentionFactor: try optionalDouble("attention_factor")
          ?? RotaryConfiguration.longropeAttentionFactor(
            extension: optionalDouble("factor") ?? extended, originalContext: original))
    default:
      throw ModelError.key(
        "rope_type", found: "\"\(kind)\"",
        expected: "default, linear, dynamic, ntk, yarn, longrope or llama3",
        file: file)
    }
  }

  /// Windows of the layers: `layer_types` where it is given, else the same for all layers.
  func windows(layerCount: Int, isUsed: Bool) throws -> [Int?] {
    guard isUsed, let window = try optionalInt("sliding_window") else {
      return Array(repeating: nil, count: layerCount)
    }
    guard let types = try strings("layer_types") else { return Array(repeating: window, count: layerCount) }
    guard types.count == layerCount else {
      throw ModelError.key(
        "layer_types", found: "\(types.count) entries", expected: "\(layerCount)", file: file)
    }
    return try types.map { type in
      switch type {
      case "full_attention": nil
      case "sliding_attention": window
      default:
        throw ModelError.key(
          "layer_types", found: "\"\(type)\"", expected: "full_attention or sliding_attention", file: file)
      }
    }
  }
}

extension DecoderConfiguration {
  /// Checks what the kernels take for granted, so that a lying configuration stops here.
  func validateHeads(file: String) throws {
    guard headDimension <= 1 << 14 else {
      throw ModelError.key(
        "head_dim", found: "\(headDimension)", expected: "at most \(1 << 14)", file: file)
    }
    guard headCount % keyValueHeadCount == 0 else {
      throw ModelError.key(
        "num_key_value_heads", found: "\(keyValueHeadCount)", expected: "a divisor of \(headCount) heads",
        file: file)
    }
  }

  /// Traits of a model with this configuration.
  func traits(
    family: String, maskToken: Int? = nil, alignment: ModelTraits.LogitAlignment = .previous,
    contextMask: ModelTraits.ContextMask = .causal
  ) -> ModelTraits {
    ModelTraits(
      family: family, vocabularyCount: vocabularyCount, contextLength: contextLength, hiddenSize: hiddenSize,
      layerCount: layerCount, maskToken: maskToken.map { .init($0) }, logitAlignment: alignment,
      contextMask: contextMask)
  }
}
