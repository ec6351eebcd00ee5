import Blockwise
import BlockwiseKernels
import Foundation

/// What can be said of a checkpoint without reading its weights.
struct InspectReport {
  /// Tensors that are stored alike.
  struct Format {
    var name: String
    var tensorCount = 0
    var elementCount = 0
    var byteCount = 0
    /// What it becomes in memory; nil where nothing can be computed with it.
    var resident: String?
    /// Whether it keeps its blocks although no kernel computes with them.
    var isDecoded = false
  }

  /// Tensors of products that are computed alike.
  struct Share {
    /// The format in memory; of kept blocks their type.
    var format: String
    var path: WeightPlacement.Path
    var tensorCount = 0
    /// Bytes in memory.
    var byteCount = 0
  }

  struct TokenizerFacts {
    var kind: String
    var vocabularyCount: Int
    var special: [(name: String, token: TokenID)]
    var warnings: [String]
  }

  let path: String
  let card: ModelCard?
  let container: String
  let architecture: String
  let tensors: [TensorView]
  /// The names of the chat templates, or why one of them cannot be read.
  let chatTemplate: Result<[String], any Error>
  /// Whether the tensors are those that the configuration asks for.
  let weightProblem: Result<Void, any Error>
  /// End tokens and sampling that the checkpoint recommends.
  let generation: GenerationConfiguration
  let model: Result<(configuration: DecoderConfiguration, traits: ModelTraits), any Error>
  let tokenizer: Result<TokenizerFacts, any Error>
  /// Bytes that the weights will take in memory; nil where the model cannot be run.
  let memoryByteCount: Int?
  /// Whether block types are going to keep their blocks, as there is too little memory for what they would become.
  let keepsBlocks: Bool
  /// What becomes of the tensors; nil where the model cannot be run.
  let placements: [WeightPlacement]?
  /// The instruction set that commands would compute with.
  let kernelVariant: KernelVariant
  /// What passes cost here, as it was measured before; one entry per way to compute.
  let costCurves: [(key: CostCurveKey, curve: CostCurve)]

  /// Looks at a checkpoint, and for its cost curves into a folder.
  ///
  /// - Parameter kernelVariant: the instruction set; nil is the best that runs here.
  init(_ source: ModelSource, kernelVariant: KernelVariant?, costCurves folder: URL?) throws {
    costCurves = folder.map { CostCurveCache(folder: $0).curves(forModelAt: source.path) } ?? []
    let kernelVariant = kernelVariant ?? .best
    self.kernelVariant = kernelVariant
    path = source.path
    card = ModelCard(source)
    tensors = try source.weights.names.map { try source.weights.tensor(named: $0) }
    model = Result { try DecoderModel.inspect(source) }
    tokenizer = Result { try Self.facts(of: source) }
    let memory = try? DecoderModel.residentByteCount(source)
    memoryByteCount = memory?.byteCount
    keepsBlocks = memory?.keepsBlocks ?? false
    placements = memory.flatMap {
      try? DecoderModel.placements(source, keepsBlocks: $0.keepsBlocks, kernelVariant: kernelVariant)
    }
    chatTemplate = Result {
      let sources = try ChatTemplateSources(source)
      // Reading them says whether this version understands them.
      for name in sources.names { _ = try sources.template(named: name) }
      return sources.names
    }
    weightProblem = Result { try DecoderModel.check(source) }
    generation = source.generationConfiguration
    switch source {
    case .folder(let folder):
      container = "Hugging Face folder"
      architecture =
        folder.configuration["architectures"]?[0]?.stringValue
        ?? folder.configuration["model_type"]?.stringValue ?? "unknown"
    case .gguf(let file):
      container =
        "GGUF version \(file.version)"
        + (file.files.count > 1 ? ", split over \(file.files.count) files" : "")
      architecture = file["general.architecture"]?.stringValue ?? "unknown"
    }
  }

  private static func facts(of source: ModelSource) throws -> TokenizerFacts {
    let tokenizer = try LanguageModel.loadTokenizer(source)
    let kind: String
    switch source {
    case .folder(let folder): kind = try folder.tokenizerPath.map(kindOfTokenizer) ?? "SentencePiece"
    case .gguf(let file):
      let model = file["tokenizer.ggml.model"]?.stringValue ?? "unknown"
      kind = file["tokenizer.ggml.pre"]?.stringValue.map { "\(model), \($0)" } ?? model
    }
    let special: [(String, TokenID?)] = [
      ("bos", tokenizer.bosToken), ("eos", tokenizer.eosToken), ("mask", tokenizer.maskToken),
      ("pad", tokenizer.padToken), ("unknown", tokenizer.unknownToken),
    ]
    return TokenizerFacts(
      kind: kind, vocabularyCount: tokenizer.vocabularyCount,
      special: special.compactMap { name, token in token.map { (name, $0) } }, warnings: tokenizer.warnings)
  }

  /// `model.type` of a tokenizer.json, without building its vocabulary again.
  private static func kindOfTokenizer(_ path: String) throws -> String {
    let bytes = try TextInput.file(path)
    return try bytes.withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      try reader.beginObject()
      while let key = try reader.nextKey() {
        guard reader.string(key) == "model" else {
          try reader.skipValue()
          continue
        }
        try reader.beginObject()
        while let key = try reader.nextKey() {
          if reader.string(key) == "type" { return reader.string(try reader.readString()) }
          try reader.skipValue()
        }
      }
      return "unknown"
    }
  }

  // MARK: Derived

  var elementCount: Int { tensors.reduce(0) { $0 + $1.elementCount } }
  var byteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }

  /// Formats, the largest share first.
  var formats: [Format] {
    var formats: [String: Format] = [:]
    for tensor in tensors {
      let name = tensor.type.name
      var format = formats[name] ?? Format(name: name, resident: resident(tensor.type))
      format.isDecoded = keepsBlocks && tensor.type.storedBlockFormat != nil
      format.tensorCount += 1
      format.elementCount += tensor.elementCount
      format.byteCount += tensor.byteCount
      formats[name] = format
    }
    return formats.values.sorted { ($1.byteCount, $0.name) < ($0.byteCount, $1.name) }
  }

  private func resident(_ type: TensorType) -> String? {
    keepsBlocks && type.storedBlockFormat != nil ? type.name : type.residentFormat?.name
  }

  /// Tensors of products by format and path, the largest share first.
  var shares: [Share] {
    var shares: [String: Share] = [:]
    for placement in placements ?? [] {
      guard placement.path != .elements, placement.path != .rows else { continue }
      let format = placement.format?.name ?? placement.type.name
      let key = "\(format) \(placement.path.rawValue)"
      var share = shares[key] ?? Share(format: format, path: placement.path)
      share.tensorCount += 1
      share.byteCount += placement.byteCount
      shares[key] = share
    }
    return shares.values.sorted {
      ($1.byteCount, $0.format, $0.path.rawValue) < ($0.byteCount, $1.format, $1.path.rawValue)
    }
  }

  /// Tensors of products that no kernel for their own type computes with.
  var fallbacks: [WeightPlacement] { (placements ?? []).filter(\.isFallback) }

  /// What stands in the way of computing with the model; nil when nothing does.
  var problem: String? {
    if case .failure(let error) = model { return "\(error)" }
    if let format = formats.first(where: { $0.resident == nil }) {
      return "tensors are stored as \(format.name), which this version cannot compute with"
    }
    if case .failure(let error) = weightProblem { return "\(error)" }
    return nil
  }

  /// Tokens that end a text.
  var endTokens: [TokenID] {
    var tokens = Set(generation.endTokens)
    if case .success(let facts) = tokenizer, let token = facts.special.first(where: { $0.name == "eos" }) {
      tokens.insert(token.token)
    }
    return tokens.sorted()
  }

  /// Decoding methods of this version that apply.
  var methods: [String] {
    guard problem == nil, case .success(let model) = model else { return [] }
    let traits = model.traits
    var hasMask = traits.maskToken != nil
    if case .success(let facts) = tokenizer, facts.special.contains(where: { $0.name == "mask" }) {
      hasMask = true
    }
    return (traits.isAutoregressive ? ["ar", "speculative"] : [])
      + (hasMask && traits.contextMask != .causal ? ["diffusion"] : [])
  }

  /// Bytes of keys and values for one token of context, in the default cache.
  var cacheByteCount: Int? {
    guard case .success(let model) = model else { return nil }
    let layout = CacheLayout(
      layerCount: model.configuration.layerCount, headCount: model.configuration.keyValueHeadCount,
      headDimension: model.configuration.headDimension, format: .f16)
    return layout.pageByteCount / CacheLayout.pageSlotCount
  }
}
