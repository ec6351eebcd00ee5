/// Qwen3-MoE (arXiv 2505.09388): Qwen3 with softmax-routed experts in place of the feed-forward network.
enum Qwen3MoE: ModelFamily {
  static let name = "qwen3-moe"
  static let architectures = ["Qwen3MoeForCausalLM"]
  static let modelTypes = ["qwen3_moe"]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    var configuration = try config.qwen3Configuration()
    let experts = try config.int("num_experts", in: 1...1 << 14)
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
}
