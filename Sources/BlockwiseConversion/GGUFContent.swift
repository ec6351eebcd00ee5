internal import BlockwiseFiles
internal import BlockwiseModels
internal import BlockwiseText

/// What a GGUF file is made of, before its tensors have types.
struct GGUFContent {
  var metadata: [(key: String, value: GGUFStoredValue)]
  var tensors: [ExportTensor]
  var layerCount: Int
  var tiesEmbeddings: Bool
  var notes: [String] = []
  /// Whether it was a GGUF file before.
  var isRewritten = false

  /// The number of the present rules of quantisation in `general.quantization_version`.
  static let quantizationVersion: UInt32 = 2

  /// The content of a GGUF file in another format: metadata stay as they are, but for those that name the format.
  init(rewriting file: GGUFFile, format: QuantizationFormat) throws {
    var metadata: [(key: String, value: GGUFStoredValue)] = []
    for key in file.keys {
      switch key {
      case "general.file_type", "general.quantization_version": continue
      case "split.no", "split.count", "split.tensors.count": continue  // the output is one file
      default: break
      }
      if let value = file.storedValue(key) { metadata.append((key, value)) }
    }
    // Both stay where they were; files without them get them behind the architecture.
    func put(_ key: String, _ value: UInt32) {
      let place =
        file.keys.firstIndex(of: key) ?? file.keys.firstIndex(of: "general.architecture").map { $0 + 1 }
      let before = file.keys[..<(place ?? file.keys.endIndex)]
      let index = metadata.firstIndex { !before.contains($0.key) } ?? metadata.endIndex
      metadata.insert((key, .uint32(value)), at: index)
    }
    put("general.file_type", format.fileType)
    put("general.quantization_version", Self.quantizationVersion)
    self.metadata = metadata
    isRewritten = true
    tensors = try file.names.map { Self.tensor(try file.tensor(named: $0)) }
    layerCount =
      file["general.architecture"]?.stringValue.flatMap { file["\($0).block_count"]?.integerValue } ?? 0
    tiesEmbeddings = !file.contains("output.weight")
  }

  /// The content of a GGUF file made from a Hugging Face folder.
  init(exporting folder: ModelFolder, format: QuantizationFormat) throws {
    let export = try GGUFExport(folder)
    let tokenizer = try Tokenizer.load(folder: folder)
    let vocabulary = try GGUFTokenizerExport(
      folder, tokenizer: tokenizer, rowCount: export.configuration.vocabularyCount,
      endTokens: folder.generationConfiguration.endTokens, maskToken: export.traits.maskToken)
    let name = Self.name(
      folder.path, family: export.traits.family, stripsAddedTokens: vocabulary.stripsAddedTokens)
    notes = export.notes + vocabulary.notes
    if vocabulary.stripsAddedTokens, !Self.isNamedPhi3(name) {
      notes.append("some added tokens take the whitespace around them, which GGUF has no key for")
    }
    metadata = export.metadata
    metadata.insert(("general.name", .string(name)), at: 2)
    metadata.append(("general.file_type", .uint32(format.fileType)))
    metadata.append(("general.quantization_version", .uint32(Self.quantizationVersion)))
    metadata += Self.sampling(folder.generationConfiguration)
    metadata += vocabulary.metadata
    tensors = export.tensors
    layerCount = export.configuration.layerCount
    tiesEmbeddings = export.configuration.tiesEmbeddings
  }

  /// Readers take the name for what decides whether control tokens swallow whitespace, as those of Phi-3 do.
  private static func isNamedPhi3(_ name: String) -> Bool {
    let name = name.lowercased()
    return name.contains("phi-3") || name.contains("phi3")
  }

  /// The folder's name, made to say what readers of Phi-3 conclude from it.
  private static func name(_ path: String, family: String, stripsAddedTokens: Bool) -> String {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    guard family == "phi3", isNamedPhi3(name) != stripsAddedTokens else { return name }
    if stripsAddedTokens { return "Phi-3 \(name)" }
    return name.replacing(/(?i)phi-?3/, with: "phi 3")
  }

  /// The makers' settings of sampling.
  private static func sampling(
    _ generation: GenerationConfiguration
  ) -> [(key: String, value: GGUFStoredValue)] {
    var metadata: [(key: String, value: GGUFStoredValue)] = []
    func put(_ key: String, _ value: GGUFStoredValue?) {
      if let value { metadata.append(("general.sampling.\(key)", value)) }
    }
    put("do_sample", generation.doesSample.map { .bool($0) })
    put("top_k", generation.topK.map { .int32(Int32(clamping: $0)) })
    put("top_p", generation.topP.map { .float32(Float($0)) })
    put("min_p", generation.minP.map { .float32(Float($0)) })
    put("temp", generation.temperature.map { .float32(Float($0)) })
    put("penalty_repeat", generation.repetitionPenalty.map { .float32(Float($0)) })
    return metadata
  }

  /// A tensor of a GGUF file and what its name says about it.
  private static func tensor(_ view: TensorView) -> ExportTensor {
    let role: ExportTensor.Role
    switch view.name {
    case "token_embd.weight": role = .embedding
    case "output.weight": role = .head
    case let name where name.contains(".ffn_gate_inp"): role = .router
    case _ where view.shape.count < 2: role = .vector
    default: role = .matrix(layer: layer(view.name))
    }
    return ExportTensor(view.name, shape: view.shape, role: role, source: .tensors([view]))
  }

  /// The number of the layer in a name such as `blk.3.attn_v.weight`.
  static func layer(_ name: String) -> Int? {
    guard name.hasPrefix("blk.") else { return nil }
    return Int(name.dropFirst(4).prefix { $0.isNumber })
  }
}
