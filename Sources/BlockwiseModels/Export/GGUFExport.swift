package import BlockwiseFiles
internal import Foundation

/// A Hugging Face folder as the parts of a GGUF file that concern the network: metadata and tensors.
package struct GGUFExport {
  /// The model's own keys, from `general.architecture` on; without the tokenizer's.
  package private(set) var metadata: [(key: String, value: GGUFStoredValue)] = []
  /// The tensors, in the order of the file.
  package private(set) var tensors: [ExportTensor] = []
  /// What the reader of the result should know.
  package private(set) var notes: [String] = []
  /// The switches of the model.
  package let configuration: DecoderConfiguration
  /// What the model can do.
  package let traits: ModelTraits

  private let family: ExportFamily
  private let folder: ModelFolder

  /// Reads a folder's configuration and finds its tensors.
  ///
  /// - Throws: ``ModelError`` for what GGUF cannot express, and ``ModelFileError`` for missing tensors.
  package init(_ folder: ModelFolder) throws {
    let description = try DecoderModel.description(of: .folder(folder))
    guard let family = ExportFamily.named(description.traits.family) else {
      throw ModelError.unsupported(
        "writing family \(description.traits.family) as GGUF (possible: "
          + ExportFamily.names.joined(separator: ", ") + ")",
        file: folder.configurationPath)
    }
    configuration = description.configuration
    traits = description.traits
    self.family = family
    self.folder = folder
    put("general.architecture", .string(family.architecture), isGlobal: true)
    put("general.type", .string("model"), isGlobal: true)
    if let architecture = traits.multimodalArchitecture {
      notes.append("only the text part of \(architecture) is written")
    }
    putSizes()
    try putRotary()
    try putFamily()
    try putTensors(description.names)
  }

  // MARK: Metadata

  private mutating func put(_ key: String, _ value: GGUFStoredValue, isGlobal: Bool = false) {
    metadata.append((isGlobal ? key : "\(family.architecture).\(key)", value))
  }

  private mutating func put(_ key: String, _ number: Int) {
    put(key, .uint32(UInt32(clamping: number)))
  }

  private func refuse(_ what: String) -> ModelError {
    .unsupported(
      "\(what) in a GGUF file of architecture \(family.architecture)", file: folder.configurationPath)
  }

  private mutating func putSizes() {
    put("vocab_size", configuration.vocabularyCount)
    put("context_length", configuration.contextLength)
    put("embedding_length", configuration.hiddenSize)
    put("block_count", configuration.layerCount)
    put("feed_forward_length", configuration.feedForwardSize)
    put("attention.head_count", configuration.headCount)
    put("attention.head_count_kv", configuration.keyValueHeadCount)
    put("attention.key_length", configuration.headDimension)
    put("attention.value_length", configuration.headDimension)
    put(
      configuration.hasLayerNorm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
      .float32(configuration.normEpsilon))
  }

  private mutating func putRotary() throws {
    let rotary = configuration.rotary
    guard !family.pairsRows || rotary.dimension == configuration.headDimension else {
      throw refuse("rotating \(rotary.dimension) of \(configuration.headDimension) elements of a head")
    }
    put("rope.dimension_count", rotary.dimension)
    put("rope.freq_base", .float32(Float(rotary.base)))
    switch rotary.scaling {
    case .none: break
    case .linear(let factor):
      put("rope.scaling.type", .string("linear"))
      put("rope.scaling.factor", .float32(Float(factor)))
    case .yarn(let factor, let original, let fast, let slow, let attention, let truncates):
      guard truncates else { throw refuse("yarn without truncation") }
      put("rope.scaling.type", .string("yarn"))
      put("rope.scaling.factor", .float32(Float(factor)))
      put("rope.scaling.original_context_length", original)
      if fast != 32 { put("rope.scaling.yarn_beta_fast", .float32(Float(fast))) }
      if slow != 1 { put("rope.scaling.yarn_beta_slow", .float32(Float(slow))) }
      let implied = RotaryConfiguration.yarnAttentionFactor(factor)
      if abs(attention - implied) > 1e-6 * implied {
        put("rope.scaling.attn_factor", .float32(Float(attention / implied)))
      }
    case .llama3:
      guard family.architecture == "llama" else { throw refuse("rope_type llama3") }
      let plain = RotaryConfiguration(base: rotary.base, dimension: rotary.dimension)
      let divisors = zip(
        plain.inverseFrequencies(contextLength: configuration.contextLength),
        rotary.inverseFrequencies(contextLength: configuration.contextLength)
      ).map { Float($0 / $1) }
      append("rope_freqs.weight", divisors)
    case .longrope(let short, let long, let original, let attention):
      guard family.architecture == "phi3" else { throw refuse("rope_type longrope") }
      put("rope.scaling.original_context_length", original)
      put("rope.scaling.attn_factor", .float32(Float(attention)))
      append("rope_factors_long.weight", long.map { Float($0) })
      append("rope_factors_short.weight", short.map { Float($0) })
    case .dynamic: throw refuse("rope_type dynamic")
    case .divisors: throw refuse("a list of divisors")
    }
  }

  private mutating func append(_ name: String, _ values: [Float]) {
    tensors.append(ExportTensor(name, shape: [values.count], role: .vector, source: .values(values)))
  }

  private mutating func putFamily() throws {
    let windows = configuration.windows
    // A window as long as the context hides nothing.
    let isWindowed = windows.contains { $0.map { $0 < configuration.contextLength } ?? false }
    switch family.architecture {
    case "gemma2", "gemma3": try putGemma()
    case "llama", "phi3":
      if isWindowed {
        guard let window = windows[0], windows.allSatisfy({ $0 == window }) else {
          throw refuse("windows that differ between layers")
        }
        put("attention.sliding_window", window)
        notes.append(
          "llama.cpp does not apply the sliding window of \(window) of this architecture; Blockwise does")
      }
    default: if isWindowed { throw refuse("a sliding window") }
    }
    if let layers = configuration.rotaryLayers {
      guard family.architecture == "smollm3", layers == layers.indices.map({ ($0 + 1) % 4 != 0 }) else {
        throw refuse("a pattern of layers without rotary positions other than every fourth")
      }
    }
    if family.architecture == "gptneox" {
      put("use_parallel_residual", .bool(configuration.hasParallelResidual))
      guard configuration.activation == .gelu else { throw refuse("a GELU other than the exact one") }
      guard configuration.headCount == configuration.keyValueHeadCount else {
        throw refuse("fewer heads of keys than of queries")
      }
      notes.append(
        "llama.cpp approximates the GELU of this architecture; its logits differ slightly from the original's"
      )
    }
    if family.architecture == "llada" {
      put("attention.causal", .bool(false))
      if configuration.hasQueryKeyValueBias || configuration.hasFeedForwardBias {
        notes.append("llama.cpp has no place for the biases of this model and will refuse it")
      }
    }
    if case .contextCausal(let size) = traits.contextMask {
      put(BlockKeys.ggufContext, .string(BlockKeys.causal), isGlobal: true)
      put(BlockKeys.ggufBlockSize, .uint32(UInt32(clamping: size)), isGlobal: true)
      put(BlockKeys.ggufAnchor, .string(BlockKeys.prompt), isGlobal: true)
      put(BlockKeys.ggufShift, .bool(true), isGlobal: true)
    }
    if case .blockCausal(let size) = traits.contextMask {
      put(BlockKeys.ggufContext, .string(BlockKeys.blockCausal), isGlobal: true)
      put(BlockKeys.ggufBlockSize, .uint32(UInt32(clamping: size)), isGlobal: true)
      put(BlockKeys.ggufAnchor, .string(BlockKeys.sequence), isGlobal: true)
      put(BlockKeys.ggufShift, .bool(traits.logitAlignment == .previous), isGlobal: true)
      notes.append("the architecture is one of Blockwise: other programs do not read it")
    }
    if family.architecture == "dream" || family.architecture == "llada" {
      put("diffusion.shift_logits", .bool(traits.logitAlignment == .previous), isGlobal: true)
    }
    if let mixture = configuration.mixture {
      put("expert_count", mixture.expertCount)
      put("expert_used_count", mixture.usedExpertCount)
      put("expert_feed_forward_length", mixture.feedForwardSize)
      put("expert_weights_norm", .bool(mixture.normalizesWeights))
      let dense = mixture.layers.filter { !$0 }.count
      if dense > 0 || !mixture.normalizesWeights {
        notes.append(
          "llama.cpp expects experts in every layer, with weights that sum to one; "
            + "it will not run this model as it is meant")
      }
    }
  }

  private mutating func putGemma() throws {
    if let cap = configuration.attentionSoftCap { put("attn_logit_softcapping", .float32(cap)) }
    if let cap = configuration.finalSoftCap { put("final_logit_softcapping", .float32(cap)) }
    let windows = configuration.windows
    let window = windows.compactMap { $0 }.first ?? 0
    guard windows.allSatisfy({ $0 == nil || $0 == window }) else {
      throw refuse("windows that differ between layers")
    }
    put("attention.sliding_window", window)
    let pattern = (1...configuration.layerCount + 1).first { pattern in
      windows.indices.allSatisfy { (windows[$0] == nil) == (($0 + 1) % pattern == 0) }
    }
    if family.architecture == "gemma2" {
      // Readers take the pattern for granted.
      guard pattern == 2 || configuration.layerCount == 1 && windows[0] != nil else {
        throw refuse("windows on other than every other layer")
      }
      guard configuration.attentionSoftCap != nil, configuration.finalSoftCap != nil else {
        throw refuse("a model without soft caps")
      }
      return
    }
    guard let pattern else { throw refuse("windows without a regular pattern") }
    put("attention.sliding_window_pattern", pattern)
    if let rotary = configuration.windowRotary {
      guard rotary.scaling == .none, rotary.dimension == configuration.rotary.dimension else {
        throw refuse("scaling of rotary positions in layers with a window")
      }
      put("rope.freq_base_swa", .float32(Float(rotary.base)))
    }
  }

  /// What the scale of attention scores has to be multiplied with, where readers imply another one.
  private var scaleFactor: Float {
    guard let scale = configuration.attentionScale else { return 1 }
    let isWide = configuration.layerCount == (family.architecture == "gemma2" ? 46 : 62)
    let width = isWide ? configuration.hiddenSize / configuration.headCount : configuration.headDimension
    let factor = scale * Float(width).squareRoot()
    return abs(factor - 1) < 1e-5 ? 1 : factor
  }

  // MARK: Tensors

  private mutating func putTensors(_ names: TensorNames) throws {
    let pairs = TensorPairs(
      configuration: configuration, folder: names, gguf: family.gguf, pairsRows: family.pairsRows,
      addsOne: family.addsOne)
    let factor = scaleFactor
    // A norm behind the projection would undo a factor on it.
    let scaled = configuration.hasQueryKeyNorm ? family.gguf.queryNorm : family.gguf.query
    if factor != 1 {
      notes.append("the scale of attention scores is part of \(scaled), as GGUF has no key for it")
    }
    noteOthers(pairs.all().flatMap(\.folderNames))
    let extras = tensors  // rotary factors
    tensors = []
    for pair in pairs.all() {
      let views = try pair.folderNames.map { name in
        let view = try folder.weights.tensor(named: name)
        guard view.shape == pair.folderShape else {
          throw ModelError.tensorShape(
            name: name, expected: pair.folderShape, found: view.shape, file: view.file)
        }
        return view
      }
      var tensor = ExportTensor(pair.ggufName, shape: pair.shape, role: pair.role, source: .tensors(views))
      tensor.order = pair.order
      tensor.summand = pair.summand
      if factor != 1, pair.ggufName.contains(".\(scaled).") {
        tensor.factor = factor
        tensor.summand *= factor
      }
      tensors.append(tensor)
      if pair.role == .embedding { tensors += extras }
    }
  }

  /// Names tensors that the network has no place for, but for buffers that are computed and a tied head's copy.
  private mutating func noteOthers(_ used: [String]) {
    let used = Set(used)
    let buffers = ["rotary_emb.inv_freq", "attention.bias", "attention.masked_bias", "lm_head.weight"]
    let others = folder.weights.names.filter { name in
      !used.contains(name) && !buffers.contains { name.hasSuffix($0) }
    }
    guard !others.isEmpty, traits.multimodalArchitecture == nil else { return }
    notes.append(
      "\(others.count) tensors are not written, as the architecture has no place for them: "
        + others.prefix(4).joined(separator: ", ") + (others.count > 4 ? ", …" : ""))
  }
}
