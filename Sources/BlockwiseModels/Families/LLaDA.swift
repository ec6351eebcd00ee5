/// LLaDA (arXiv 2502.09992): a Llama-like network of its own keys and names, trained to fill masks; all rows see all.
enum LLaDA: ModelFamily {
  static let name = "llada"
  static let architectures = ["LLaDAModelLM"]
  static let modelTypes = ["llada"]
  static let ggufArchitectures = ["llada"]

  static func describe(_ config: ConfigReader) throws -> ModelDescription {
    try requireKnownVariant(config)
    let hidden = try config.int("d_model", in: 1...1 << 20)
    let heads = try config.int("n_heads", in: 1...1 << 14)
    guard hidden % heads == 0 else {
      throw ModelError.key(
        "d_model", found: "\(hidden)", expected: "a multiple of n_heads \(heads)", file: config.file)
    }
    let layers = try config.int("n_layers", in: 1...1 << 12)
    let context = try config.optionalInt("max_sequence_length", in: 1...1 << 30) ?? 4096
    // The head has `embedding_size` rows where that is given, padded beyond `vocab_size`.
    let vocabulary = try config.int("vocab_size", in: 1...1 << 24)
    let rows = try config.optionalInt("embedding_size", in: 1...1 << 24) ?? vocabulary
    let feedForward =
      try config.optionalInt("mlp_hidden_size", in: 1...1 << 22)
      ?? hidden * config.optionalInt("mlp_ratio", in: 1...64, orElse: 4)
    var configuration = DecoderConfiguration(
      hiddenSize: hidden, layerCount: layers, headCount: heads,
      keyValueHeadCount: try config.optionalInt("n_kv_heads", in: 1...1 << 14) ?? heads,
      headDimension: hidden / heads, feedForwardSize: feedForward, vocabularyCount: rows,
      contextLength: context,
      normEpsilon: Float(try config.optionalDouble("rms_norm_eps") ?? 1e-5),
      rotary: try config.rotary(headDimension: hidden / heads, contextLength: context),
      windows: Array(repeating: nil, count: layers))
    let hasBias = try config.optionalBool("include_bias") ?? false
    configuration.hasQueryKeyValueBias = try config.optionalBool("include_qkv_bias") ?? hasBias
    configuration.hasAttentionOutputBias = hasBias
    configuration.hasFeedForwardBias = hasBias
    configuration.tiesEmbeddings = try config.optionalBool("weight_tying") ?? false
    try configuration.validateHeads(file: config.file)
    let mask = try config.optionalInt("mask_token_id", in: 0...rows - 1)
    return ModelDescription(
      configuration: configuration,
      traits: configuration.traits(
        family: name, maskToken: mask, alignment: .same, contextMask: .bidirectional),
      names: names)
  }

  /// GGUF files store q and k rows pairwise. llama.cpp's have no biases; where a file has some, they are used.
  static func describe(_ metadata: GGUFReader) throws -> ModelDescription {
    let configuration = try metadata.decoderConfiguration(layout: .interleaved)
    if try metadata.optionalBool("attention.causal") == true {
      throw ModelError.unsupported("attention.causal true in architecture llada", file: metadata.file)
    }
    if try metadata.optionalGlobalBool("diffusion.shift_logits") == true {
      throw ModelError.unsupported("diffusion.shift_logits true in architecture llada", file: metadata.file)
    }
    let mask = try metadata.optionalGlobalInt(
      "tokenizer.ggml.mask_token_id", in: 0...configuration.vocabularyCount - 1)
    return ModelDescription(
      configuration: configuration,
      traits: configuration.traits(
        family: name, maskToken: mask, alignment: .same, contextMask: .bidirectional),
      names: .gguf)
  }

  /// The modelling file has switches for other networks; only the published combination is computed.
  private static func requireKnownVariant(_ config: ConfigReader) throws {
    for (key, expected) in [
      ("block_type", "llama"), ("layer_norm_type", "rms"), ("activation_type", "silu"),
    ] {
      if let found = try config.optionalString(key), found != expected {
        throw ModelError.unsupported("\(key) \"\(found)\"", file: config.file)
      }
    }
    for key in [
      "alibi", "attention_layer_norm", "input_emb_norm", "scale_logits", "multi_query_attention",
      "bias_for_layer_norm",
    ] {
      if try config.optionalBool(key) == true { throw ModelError.unsupported(key, file: config.file) }
    }
    if try config.optionalBool("rope") == false {
      throw ModelError.unsupported("rope false", file: config.file)
    }
    if config.value("clip_qkv") != nil { throw ModelError.unsupported("clip_qkv", file: config.file) }
  }

  static var names: TensorNames {
    var names = TensorNames.huggingFace
    names.embedding = "model.transformer.wte.weight"
    names.finalNorm = "model.transformer.ln_f.weight"
    names.head = "model.transformer.ff_out.weight"
    names.layerPrefix = "model.transformer.blocks."
    names.attentionNorm = "attn_norm"
    names.query = "q_proj"
    names.key = "k_proj"
    names.value = "v_proj"
    names.attentionOutput = "attn_out"
    names.feedForwardNorm = "ff_norm"
    names.gate = "ff_proj"
    names.up = "up_proj"
    names.down = "ff_out"
    return names
  }
}

extension ConfigReader {
  fileprivate func optionalInt(_ key: String, in range: ClosedRange<Int>, orElse fallback: Int) throws -> Int
  {
    try optionalInt(key, in: range) ?? fallback
  }
}
