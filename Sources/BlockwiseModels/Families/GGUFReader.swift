package import BlockwiseFiles

/// Reads keys of a GGUF file's metadata with checks; keys without a general prefix get the architecture's.
package struct GGUFReader {
  let metadata: GGUFFile
  let file: String
  let architecture: String

  package init(_ gguf: GGUFFile) throws {
    metadata = gguf
    file = gguf.path
    guard let architecture = gguf["general.architecture"]?.stringValue else {
      throw ModelError.keyMissing("general.architecture", file: gguf.path)
    }
    self.architecture = architecture
  }

  func optionalInt(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
    try optionalGlobalInt("\(architecture).\(key)", in: range)
  }

  func int(_ key: String, in range: ClosedRange<Int>) throws -> Int {
    guard let value = try optionalInt(key, in: range) else {
      throw ModelError.keyMissing("\(architecture).\(key)", file: file)
    }
    return value
  }

  func optionalGlobalInt(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
    guard let value = metadata[key] else { return nil }
    var number = value.integerValue
    if number == nil, let perLayer = value.arrayValue?.integers, let first = perLayer.first {
      // One number per layer is as good as one number when they agree.
      guard perLayer.allSatisfy({ $0 == first }) else {
        throw ModelError.unsupported("\(key) that differs between layers", file: file)
      }
      number = first
    }
    guard let number, range.contains(number) else {
      throw ModelError.key(
        key, found: value.summary, expected: "a whole number in \(range.lowerBound)…\(range.upperBound)",
        file: file)
    }
    return number
  }

  func optionalDouble(_ key: String) throws -> Double? {
    let key = "\(architecture).\(key)"
    guard let value = metadata[key] else { return nil }
    guard let number = value.numberValue, number.isFinite, number > 0 else {
      throw ModelError.key(key, found: value.summary, expected: "a positive number", file: file)
    }
    return number
  }

  func optionalString(_ key: String) throws -> String? { try optionalGlobalString("\(architecture).\(key)") }

  func optionalGlobalString(_ key: String) throws -> String? {
    guard let value = metadata[key] else { return nil }
    guard let text = value.stringValue else {
      throw ModelError.key(key, found: value.summary, expected: "a string", file: file)
    }
    return text
  }

  func optionalBool(_ key: String) throws -> Bool? { try optionalGlobalBool("\(architecture).\(key)") }

  func optionalGlobalBool(_ key: String) throws -> Bool? {
    guard let value = metadata[key] else { return nil }
    guard let flag = value.boolValue else {
      throw ModelError.key(key, found: value.summary, expected: "true or false", file: file)
    }
    return flag
  }

  /// Whether the file has a tensor of that name.
  func contains(_ tensor: String) -> Bool { metadata.contains(tensor) }

  /// The switches that all architectures here share.
  func decoderConfiguration(layout: RotaryConfiguration.Layout) throws -> DecoderConfiguration {
    let hidden = try int("embedding_length", in: 1...1 << 20)
    let layers = try int("block_count", in: 1...1 << 12)
    let heads = try int("attention.head_count", in: 1...1 << 14)
    let keyValueHeads = try optionalInt("attention.head_count_kv", in: 1...1 << 14) ?? heads
    let headDimension: Int
    if let given = try optionalInt("attention.key_length", in: 1...1 << 14) {
      headDimension = given
    } else {
      guard hidden % heads == 0 else {
        throw ModelError.key(
          "\(architecture).embedding_length", found: "\(hidden)", expected: "a multiple of \(heads) heads",
          file: file)
      }
      headDimension = hidden / heads
    }
    let valueDimension = try optionalInt("attention.value_length", in: 1...1 << 14) ?? headDimension
    guard valueDimension == headDimension else {
      throw ModelError.unsupported("values of \(valueDimension) beside keys of \(headDimension)", file: file)
    }
    let context = try int("context_length", in: 1...1 << 30)
    guard headDimension >= 2 else {
      throw ModelError.key(
        "\(architecture).attention.key_length", found: "\(headDimension)", expected: "at least 2", file: file)
    }
    let rotated = try optionalInt("rope.dimension_count", in: 2...headDimension) ?? headDimension
    guard rotated % 2 == 0 else {
      throw ModelError.key(
        "\(architecture).rope.dimension_count", found: "\(rotated)", expected: "an even number", file: file)
    }
    var configuration = DecoderConfiguration(
      hiddenSize: hidden, layerCount: layers, headCount: heads, keyValueHeadCount: keyValueHeads,
      headDimension: headDimension, feedForwardSize: try int("feed_forward_length", in: 1...1 << 22),
      vocabularyCount: try vocabularyCount(), contextLength: context,
      normEpsilon: Float(try optionalDouble("attention.layer_norm_rms_epsilon") ?? 1e-5),
      rotary: RotaryConfiguration(
        base: try optionalDouble("rope.freq_base") ?? 10_000, dimension: rotated, layout: layout,
        scaling: try rotaryScaling(contextLength: context)),
      windows: Array(repeating: nil, count: layers))
    try configuration.validateHeads(file: file)
    guard configuration.rotary.base > 1 else {
      throw ModelError.key(
        "\(architecture).rope.freq_base", found: "\(configuration.rotary.base)", expected: "a number above 1",
        file: file)
    }
    // Biases are optional in every architecture: the tensors say whether they are there.
    configuration.hasQueryKeyValueBias = contains("blk.0.attn_q.bias")
    configuration.hasAttentionOutputBias = contains("blk.0.attn_output.bias")
    configuration.hasFeedForwardBias = contains("blk.0.ffn_up.bias")
    // A file without a head of its own uses the embedding.
    configuration.tiesEmbeddings = !metadata.contains("output.weight")
    return configuration
  }

  /// Rows of the embedding: the tensor is the truth, the vocabulary may be shorter.
  private func vocabularyCount() throws -> Int {
    let shape = try metadata.tensor(named: "token_embd.weight").shape
    guard shape.count == 2, (1...1 << 24).contains(shape[0]) else {
      throw ModelError.tensorShape(
        name: "token_embd.weight", expected: [1 << 24, 1], found: shape, file: file)
    }
    return shape[0]
  }

  private func rotaryScaling(contextLength: Int) throws -> RotaryConfiguration.Scaling {
    // As llama.cpp reads it: a factor without a type is linear, and older files have a key of their own.
    let kind = try optionalString("rope.scaling.type") ?? "linear"
    // Longrope's factors are tensors, which the family reads.
    guard kind != "none", kind != "longrope",
      let factor = try optionalDouble("rope.scaling.factor") ?? optionalDouble("rope.scale_linear")
    else { return .none }
    switch kind {
    case "linear": return .linear(factor: factor)
    case "yarn":
      return .yarn(
        factor: factor,
        originalContext: try optionalInt("rope.scaling.original_context_length", in: 1...1 << 30)
          ?? contextLength,
        betaFast: try optionalDouble("rope.scaling.yarn_beta_fast") ?? 32,
        betaSlow: try optionalDouble("rope.scaling.yarn_beta_slow") ?? 1,
        attentionFactor: RotaryConfiguration.yarnAttentionFactor(factor)
          * (try optionalDouble("rope.scaling.attn_factor") ?? 1),
        truncates: true)
    default:
      throw ModelError.key(
        "\(architecture).rope.scaling.type", found: "\"\(kind)\"", expected: "none, linear, yarn or longrope",
        file: file)
    }
  }
}
