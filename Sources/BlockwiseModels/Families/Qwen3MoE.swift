internal import BlockwiseFiles

/// Qwen3-MoE (arXiv 2505.09388): Qwen3 with softmax-routed experts in place of the feed-forward network.
enum Qwen3MoE: ModelFamily {
  static let name = "qwen3-moe"
  static let architectures = ["Qwen3MoeForCausalLM"]
  static let modelTypes = ["qwen3_moe", "qwen3_vl_moe_text"]
  static let ggufArchitectures = ["qwen3moe"]
  static let defaults: JSONValue = [
    "num_key_value_heads": 4, "num_experts_per_tok": 8, "moe_intermediate_size": 768, "sliding_window": 4096,
    "max_position_embeddings": 32_768,
  ]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    var configuration = try config.qwen3Configuration()
    // transformers 5 writes the second name.
    guard let experts = try config.optionalInt("num_experts", "num_local_experts", in: 1...1 << 14) else {
      throw ModelError.keyMissing("num_experts", file: config.file)
    }
    let step = try config.optionalInt("decoder_sparse_step", in: 1...1 << 12) ?? 1
    let dense = Set(try config.ints("mlp_only_layers") ?? [])
    configuration.mixture = .init(
      expertCount: experts, usedExpertCount: try config.int("num_experts_per_tok", in: 1...experts),
      feedForwardSize: try config.int("moe_intermediate_size", in: 1...1 << 22),
      normalizesWeights: try config.optionalBool("norm_topk_prob") ?? false,
      layers: (0..<configuration.layerCount).map { !dense.contains($0) && ($0 + 1) % step == 0 })
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: .huggingFace)
  }

  /// Experts of a layer lie in one tensor per projection; a layer without a router is dense.
  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    var configuration = try metadata.decoderConfiguration(layout: .half)
    configuration.hasQueryKeyNorm = true
    let experts = try metadata.int("expert_count", in: 1...1 << 14)
    if let gating = try metadata.optionalInt("expert_gating_func", in: 0...1 << 10), gating > 1 {
      throw ModelError.unsupported("expert_gating_func \(gating) in Qwen3-MoE", file: metadata.file)
    }
    configuration.mixture = .init(
      expertCount: experts, usedExpertCount: try metadata.int("expert_used_count", in: 1...experts),
      feedForwardSize: try metadata.int("expert_feed_forward_length", in: 1...1 << 22),
      normalizesWeights: try metadata.optionalBool("expert_weights_norm") ?? true,
      layers: (0..<configuration.layerCount).map { metadata.contains("blk.\($0).ffn_gate_inp.weight") })
    return ModelDescription(
      configuration: configuration, traits: configuration.traits(family: name), names: .gguf)
  }
}
