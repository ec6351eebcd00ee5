internal import BlockwiseFiles

/// GPT-NeoX and Pythia (arXiv 2204.06745, 2304.01373): LayerNorm and biases everywhere, attention and feed-forward
/// network side by side, no gate, a quarter of each head rotated.
enum GPTNeoX: ModelFamily {
  static let name = "gpt-neox"
  static let architectures = ["GPTNeoXForCausalLM"]
  static let modelTypes = ["gpt_neox"]
  static let ggufArchitectures = ["gptneox"]
  static let defaults: JSONValue = [
    "layer_norm_eps": 1e-5, "rotary_pct": 0.25, "rotary_emb_base": 10_000, "use_parallel_residual": true,
    "attention_bias": true, "hidden_act": "gelu", "max_position_embeddings": 2048,
  ]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    var configuration = try config.decoderConfiguration(
      activations: ["gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh"])
    try configuration.setNeoXSwitches(file: config.file)
    configuration.activation = try config.optionalString("hidden_act") == "gelu" ? .gelu : .geluTanh
    configuration.normEpsilon = Float(try config.double("layer_norm_eps"))
    let hasBias = try config.optionalBool("attention_bias") ?? true
    configuration.hasQueryKeyValueBias = hasBias
    configuration.hasAttentionOutputBias = hasBias
    configuration.hasParallelResidual = try config.optionalBool("use_parallel_residual") ?? true
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: .neoX)
  }

  /// GGUF files hold the fused rows as q, then k, then v of all heads.
  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    var configuration = try metadata.decoderConfiguration(layout: .half)
    try configuration.setNeoXSwitches(file: metadata.file)
    configuration.normEpsilon = Float(try metadata.optionalDouble("attention.layer_norm_epsilon") ?? 1e-5)
    guard let isParallel = try metadata.optionalBool("use_parallel_residual") else {
      throw ModelError.keyMissing("gptneox.use_parallel_residual", file: metadata.file)
    }
    configuration.hasParallelResidual = isParallel
    configuration.hasQueryKeyValueBias = metadata.contains("blk.0.attn_qkv.bias")
    var names = TensorNames.gguf
    names.fusedQueryKeyValue = "attn_qkv"
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: names)
  }
}

extension DecoderConfiguration {
  /// What all files of the family have in common.
  fileprivate mutating func setNeoXSwitches(file: String) throws {
    // The fused tensor has a key and a value beside every query.
    guard keyValueHeadCount == headCount else {
      throw ModelError.key(
        "num_key_value_heads", found: "\(keyValueHeadCount)",
        expected: "\(headCount), as many as query heads",
        file: file)
    }
    hasLayerNorm = true
    hasGate = false
    activation = .gelu
    hasFeedForwardBias = true
  }

  /// Where a row of q, k, v lies in a tensor that holds q, k and v head by head.
  func rowOfFusedHeads(_ row: Int) -> Int {
    let part = row / querySize  // as many key/value heads as query heads
    let head = row % querySize / headDimension
    return (head * 3 + part) * headDimension + row % headDimension
  }
}

extension TensorNames {
  /// GPT-NeoX in Hugging Face layout.
  static var neoX: TensorNames {
    var names = TensorNames.huggingFace
    names.embedding = "gpt_neox.embed_in.weight"
    names.finalNorm = "gpt_neox.final_layer_norm.weight"
    names.head = "embed_out.weight"
    names.layerPrefix = "gpt_neox.layers."
    names.fusedQueryKeyValue = "attention.query_key_value"
    names.fusesPerHead = true
    names.attentionOutput = "attention.dense"
    names.up = "mlp.dense_h_to_4h"
    names.down = "mlp.dense_4h_to_h"
    return names
  }
}
