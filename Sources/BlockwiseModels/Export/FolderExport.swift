package import BlockwiseFiles
internal import Foundation

/// A GGUF file as the parts of a Hugging Face folder that concern the network: config.json and tensors.
package struct FolderExport {
  /// config.json.
  package private(set) var config = JSONObject()
  /// generation_config.json.
  package private(set) var generation = JSONObject()
  /// The tensors under their names in a folder.
  package private(set) var tensors: [ExportTensor] = []
  /// What the reader of the result should know.
  package private(set) var notes: [String] = []
  /// The switches of the model.
  package let configuration: DecoderConfiguration

  private let file: GGUFFile
  private let family: ExportFamily
  private let rotary: RotaryConfiguration
  private let ownRotaryTensors: Set<String>

  /// Reads a file's metadata and finds its tensors.
  ///
  /// - Parameter typeName: `torch_dtype`, e.g. `bfloat16`.
  /// - Throws: ``ModelError`` for what the folder's configuration cannot express, ``ModelFileError``.
  package init(_ file: GGUFFile, typeName: String) throws {
    let description = try DecoderModel.description(of: .gguf(file))
    configuration = description.configuration
    self.file = file
    let isWindowed = configuration.windows.contains { $0 != nil }
    let name =
      description.traits.family == Llama.name && isWindowed ? Mistral.name : description.traits.family
    guard let family = ExportFamily.named(name) else {
      throw ModelError.unsupported("writing family \(name) as a Hugging Face folder", file: file.path)
    }
    self.family = family
    (rotary, ownRotaryTensors) = try Self.rotary(description, file)
    try putSizes(typeName: typeName)
    try putRotary()
    try putFamily(description.traits)
    putTokens()
    try putTensors(description.names)
  }

  private func refuse(_ what: String) -> ModelError {
    .unsupported("\(what) in a config.json of \(family.className)", file: file.path)
  }

  private mutating func put(_ key: String, _ number: Int) { config[key] = .integer(Int64(number)) }
  private mutating func put(_ key: String, _ flag: Bool) { config[key] = .bool(flag) }

  /// The shortest decimal that is the same float, so that 1e-6 is written as 1e-6.
  private static func decimal(_ number: Float) -> JSONValue { .number(Double("\(number)") ?? Double(number)) }
  private static func decimal(_ number: Double) -> JSONValue {
    // Files store floats of 32 bits; what is one is written as one.
    Double(Float(number)) == number ? decimal(Float(number)) : .number(number)
  }

  // MARK: config.json

  private mutating func putSizes(typeName: String) throws {
    let configuration = configuration
    config["architectures"] = [.string(family.className)]
    config["model_type"] = .string(family.modelType)
    put("vocab_size", configuration.vocabularyCount)
    put("hidden_size", configuration.hiddenSize)
    put("intermediate_size", configuration.feedForwardSize)
    put("num_hidden_layers", configuration.layerCount)
    put("num_attention_heads", configuration.headCount)
    if family.modelType == "gpt_neox" || family.modelType == "phi3" {
      guard configuration.headDimension * configuration.headCount == configuration.hiddenSize else {
        throw refuse("heads of \(configuration.headDimension)")
      }
    } else {
      put("head_dim", configuration.headDimension)
    }
    if family.modelType != "gpt_neox" { put("num_key_value_heads", configuration.keyValueHeadCount) }
    put("max_position_embeddings", configuration.contextLength)
    config[configuration.hasLayerNorm ? "layer_norm_eps" : "rms_norm_eps"] = Self.decimal(
      configuration.normEpsilon)
    put("tie_word_embeddings", configuration.tiesEmbeddings)
    switch configuration.activation {
    case .silu: config["hidden_act"] = "silu"
    case .gelu: config["hidden_act"] = "gelu"
    case .geluTanh:
      config["hidden_act"] = "gelu_pytorch_tanh"
      config["hidden_activation"] = "gelu_pytorch_tanh"
    }
    config["torch_dtype"] = .string(typeName)
    put("use_cache", true)
  }

  private mutating func putRotary() throws {
    let configuration = configuration
    let share = Double(rotary.dimension) / Double(configuration.headDimension)
    if family.modelType == "gpt_neox" {
      config["rotary_emb_base"] = Self.decimal(rotary.base)
      config["rotary_pct"] = .number(share)
    } else {
      config["rope_theta"] = Self.decimal(rotary.base)
      if share != 1 {
        guard family.modelType == "phi3" else { throw refuse("rotating \(rotary.dimension) of a head") }
        config["partial_rotary_factor"] = .number(share)
      }
    }
    var scaling = JSONObject()
    switch rotary.scaling {
    case .none: return
    case .linear(let factor):
      scaling["rope_type"] = "linear"
      scaling["factor"] = Self.decimal(factor)
    case .yarn(let factor, let original, let fast, let slow, let attention, _):
      scaling["rope_type"] = "yarn"
      scaling["factor"] = Self.decimal(factor)
      scaling["original_max_position_embeddings"] = .integer(Int64(original))
      if fast != 32 { scaling["beta_fast"] = Self.decimal(fast) }
      if slow != 1 { scaling["beta_slow"] = Self.decimal(slow) }
      if abs(attention - RotaryConfiguration.yarnAttentionFactor(factor)) > 1e-6 * attention {
        scaling["attention_factor"] = .number(attention)
      }
    case .llama3(let factor, let low, let high, let original):
      scaling["rope_type"] = "llama3"
      scaling["factor"] = Self.decimal(factor)
      scaling["low_freq_factor"] = Self.decimal(low)
      scaling["high_freq_factor"] = Self.decimal(high)
      scaling["original_max_position_embeddings"] = .integer(Int64(original))
    case .longrope(let short, let long, let original, let attention):
      scaling["rope_type"] = "longrope"
      scaling["type"] = "longrope"
      scaling["short_factor"] = .array(short.map(Self.decimal))
      scaling["long_factor"] = .array(long.map(Self.decimal))
      let implied = RotaryConfiguration.longropeAttentionFactor(
        extension: Double(configuration.contextLength) / Double(original), originalContext: original)
      if abs(attention - implied) > 1e-6 * attention { scaling["attention_factor"] = .number(attention) }
      put("original_max_position_embeddings", original)
    case .dynamic, .divisors: throw refuse("this scaling of rotary positions")
    }
    config["rope_scaling"] = .object(scaling)
  }

  private mutating func putFamily(_ traits: ModelTraits) throws {
    let configuration = configuration
    try putBiases()
    let windows = configuration.windows
    let window = windows.compactMap { $0 }.first
    switch family.modelType {
    case "mistral", "phi3":
      config["sliding_window"] = window.map { .integer(Int64($0)) } ?? .null
    case "gemma2", "gemma3_text":
      config["sliding_window"] = .integer(Int64(window ?? configuration.contextLength))
      config["layer_types"] = .array(
        windows.map { $0 == nil ? "full_attention" : "sliding_attention" })
      let scale = configuration.attentionScale ?? 1 / Float(configuration.headDimension).squareRoot()
      let scalar = 1 / (Double(scale) * Double(scale))
      guard scalar.isFinite, scalar > 0 else { throw refuse("an attention scale of \(scale)") }
      let whole = abs(scalar - scalar.rounded()) < 1e-3 ? Int64(exactly: scalar.rounded()) : nil
      config["query_pre_attn_scalar"] = whole.map { .integer($0) } ?? .number(scalar)
      config["attn_logit_softcapping"] = configuration.attentionSoftCap.map(Self.decimal) ?? .null
      config["final_logit_softcapping"] = configuration.finalSoftCap.map(Self.decimal) ?? .null
      if let local = configuration.windowRotary { config["rope_local_base_freq"] = Self.decimal(local.base) }
    default:
      if window != nil { throw refuse("a sliding window") }
      if ["qwen", "sdar", "Fast"].contains(where: family.modelType.hasPrefix) {
        put("use_sliding_window", false)
      }
    }
    if family.modelType == "gpt_neox" { put("use_parallel_residual", configuration.hasParallelResidual) }
    if let layers = configuration.rotaryLayers {
      config["no_rope_layers"] = .array(layers.map { $0 ? 1 : 0 })
      put("no_rope_layer_interval", 4)
      put("use_sliding_window", false)
    }
    if let mixture = configuration.mixture {
      put("num_experts", mixture.expertCount)
      put("num_experts_per_tok", mixture.usedExpertCount)
      put("moe_intermediate_size", mixture.feedForwardSize)
      put("norm_topk_prob", mixture.normalizesWeights)
      put("decoder_sparse_step", 1)
      config["mlp_only_layers"] = .array(
        mixture.layers.indices.filter { !mixture.layers[$0] }.map { .integer(Int64($0)) })
    }
    if case .contextCausal(let size) = traits.contextMask {
      config[BlockKeys.context] = .string(BlockKeys.causal)
      put(BlockKeys.blockSize, size)
      put(BlockKeys.shift, true)
      config["mask_token_id"] = traits.maskToken.map { .integer(Int64($0.rawValue)) } ?? .null
    }
    if family.modelType == "llada" { try renameForLLaDA() }
    var needsCode = family.modelType == "Dream" || family.modelType == "llada"
    if case .blockCausal(let size) = traits.contextMask {
      put(family.modelType == "sdar" ? "block_size" : "bd_size", size)
      needsCode = true
    }
    if needsCode {
      config["mask_token_id"] = traits.maskToken.map { .integer(Int64($0.rawValue)) } ?? .null
      notes.append("transformers needs the model's own code for this family")
    }
  }

  /// LLaDA's configuration has names of its own for everything.
  private mutating func renameForLLaDA() throws {
    guard configuration.headDimension * configuration.headCount == configuration.hiddenSize else {
      throw refuse("heads of \(configuration.headDimension)")
    }
    guard config["rope_scaling"] == nil else { throw refuse("this scaling of rotary positions") }
    for (from, to) in [
      ("hidden_size", "d_model"), ("intermediate_size", "mlp_hidden_size"), ("num_hidden_layers", "n_layers"),
      ("num_attention_heads", "n_heads"), ("num_key_value_heads", "n_kv_heads"),
      ("max_position_embeddings", "max_sequence_length"), ("tie_word_embeddings", "weight_tying"),
    ] {
      config[to] = config[from]
      config[from] = nil
    }
    for key in ["head_dim", "hidden_act", "use_cache"] { config[key] = nil }
    put("embedding_size", configuration.vocabularyCount)
    put("rope", true)
    put("include_bias", configuration.hasAttentionOutputBias)
    put("include_qkv_bias", configuration.hasQueryKeyValueBias)
    for (key, value) in [("block_type", "llama"), ("layer_norm_type", "rms"), ("activation_type", "silu")] {
      config[key] = .string(value)
    }
  }

  private mutating func putBiases() throws {
    let configuration = configuration
    let (inner, outer) = (configuration.hasQueryKeyValueBias, configuration.hasAttentionOutputBias)
    switch family.modelType {
    case "llada":
      guard outer == configuration.hasFeedForwardBias else { throw refuse("these biases") }
    case "qwen2", "Dream", "Fast_dLLM_Qwen":
      guard inner, !outer, !configuration.hasFeedForwardBias else { throw refuse("these biases") }
    case "llama", "smollm3", "qwen3", "qwen3_moe", "sdar", "gpt_neox":
      guard inner == outer else { throw refuse("biases on a part of attention") }
      put("attention_bias", inner)
      if family.modelType == "llama" || family.modelType == "smollm3" {
        put("mlp_bias", configuration.hasFeedForwardBias)
      } else if configuration.hasFeedForwardBias, family.modelType != "gpt_neox" {
        throw refuse("biases in feed-forward networks")
      }
    default:
      guard !inner, !outer, !configuration.hasFeedForwardBias else { throw refuse("biases") }
      put("attention_bias", false)
    }
  }

  /// Token ids, which generation_config.json repeats.
  private mutating func putTokens() {
    let defaults = file.generationConfiguration
    func id(_ token: TokenID?) -> JSONValue { token.map { .integer(Int64($0.rawValue)) } ?? .null }
    let ends = defaults.endTokens
    config["bos_token_id"] = id(defaults.beginToken)
    config["eos_token_id"] = ends.count > 1 ? .array(ends.map(id)) : id(ends.first)
    // The class has a default of its own, which need not be in this vocabulary.
    config["pad_token_id"] = id(defaults.padToken)
    for key in ["bos_token_id", "eos_token_id", "pad_token_id"] {
      if let value = config[key], !value.isNull { generation[key] = value }
    }
    if let value = defaults.doesSample { generation["do_sample"] = .bool(value) }
    if let value = defaults.temperature { generation["temperature"] = Self.decimal(value) }
    if let value = defaults.topP { generation["top_p"] = Self.decimal(value) }
    if let value = defaults.topK { generation["top_k"] = .integer(Int64(value)) }
    if let value = defaults.minP { generation["min_p"] = Self.decimal(value) }
    if let value = defaults.repetitionPenalty { generation["repetition_penalty"] = Self.decimal(value) }
  }

  // MARK: Rotary tensors

  /// The scaling with what tensors say about it, and their names.
  private static func rotary(
    _ description: ModelDescription, _ file: GGUFFile
  ) throws -> (RotaryConfiguration, Set<String>) {
    var rotary = description.configuration.rotary
    func values(_ name: String) throws -> [Double] {
      let view = try file.tensor(named: name)
      var floats = [Float](repeating: 0, count: view.elementCount)
      let isRead = floats.withUnsafeMutableBufferPointer { floats in
        guard let source = view.bytes.baseAddress, let target = floats.baseAddress else { return false }
        return view.type.decode(source, elementCount: floats.count, into: target)
      }
      guard isRead, floats.count == rotary.dimension / 2 else {
        throw ModelError.tensorShape(
          name: name, expected: [rotary.dimension / 2], found: view.shape, file: view.file)
      }
      return floats.map { Double("\($0)") ?? Double($0) }
    }
    switch description.rotaryTensors {
    case .divisors(let name)?:
      guard file.contains(name) else { return (rotary, []) }
      guard let scaling = llama3(dividing: try values(name), rotary, description.configuration.contextLength)
      else {
        throw ModelError.unsupported(
          "\(name) that does not follow the rule of Llama 3, in a config.json", file: file.path)
      }
      rotary.scaling = scaling
      return (rotary, [name])
    case .longrope(let short, let long, let original, let factor)?:
      rotary.scaling = .longrope(
        short: try values(short), long: try values(long), originalContext: original,
        attentionFactor: factor)
      return (rotary, [short, long])
    case nil: return (rotary, [])
    }
  }

  /// The parameters of the rule of Llama 3 that gives these divisors, if common ones do.
  private static func llama3(
    dividing divisors: [Double], _ rotary: RotaryConfiguration, _ contextLength: Int
  ) -> RotaryConfiguration.Scaling? {
    let factor = divisors.last ?? 1
    if divisors.allSatisfy({ $0 == 1 }) { return RotaryConfiguration.Scaling.none }
    let plain = rotary.inverseFrequencies(contextLength: contextLength)
    for original in [8192] + (5...20).map({ 1 << $0 }) {
      let scaling = RotaryConfiguration.Scaling.llama3(
        factor: factor, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: original)
      let scaled = RotaryConfiguration(base: rotary.base, dimension: rotary.dimension, scaling: scaling)
        .inverseFrequencies(contextLength: contextLength)
      let matches = zip(divisors, zip(plain, scaled)).allSatisfy { divisor, pair in
        abs(pair.0 / pair.1 - divisor) <= 1e-5 * divisor
      }
      if matches { return scaling }
    }
    return nil
  }

  // MARK: Tensors

  private mutating func putTensors(_ names: TensorNames) throws {
    let pairs = TensorPairs(
      configuration: configuration, folder: family.folder, gguf: names, pairsRows: family.pairsRows,
      addsOne: family.addsOne)
    var known = ownRotaryTensors
    for pair in pairs.all() {
      let view = try file.tensor(named: pair.ggufName)
      known.insert(pair.ggufName)
      guard view.shape == pair.shape else {
        throw ModelError.tensorShape(
          name: pair.ggufName, expected: pair.shape, found: view.shape, file: view.file)
      }
      for (index, name) in pair.folderNames.enumerated() {
        let isStack = pair.folderNames.count > 1
        var tensor = ExportTensor(
          name, shape: pair.folderShape, role: pair.role,
          source: .tensors([isStack ? view.part(index) : view]))
        tensor.order = pair.order.inverse
        tensor.summand = -pair.summand
        tensors.append(tensor)
      }
    }
    let others = file.names.filter { !known.contains($0) }
    if !others.isEmpty {
      notes.append("tensors without a place in the folder: \(others.prefix(8).joined(separator: ", "))")
    }
  }
}
