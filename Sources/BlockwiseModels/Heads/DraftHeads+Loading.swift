internal import BlockwiseFiles
internal import BlockwiseKernels

extension DraftHeads {
  /// Opens a folder of heads for a model: config.json beside `medusa_lm_head.safetensors`, `hydra_lm_head.safetensors`, or
  /// EAGLE-3's `model.safetensors`.
  ///
  /// - Parameter target: the model that the heads were trained for; they run on its threads.
  /// - Throws: ``ModelFileError`` and ``ModelError``: the file is missing, damaged, pickled, of another method, or made for a model of
  ///   another size.
  public static func load(path: String, target: DecoderModel) throws -> DraftHeads {
    let file = path + "/config.json"
    guard FileKind.exists(file) else {
      throw ModelFileError.notAModel(path: path, reason: "there is no config.json of draft heads")
    }
    let mapping = try MappedFile(path: file)
    let config = ConfigReader(
      try ModelFileError.naming(file) { try JSONValue(parsing: mapping.bytes) }, file: file)
    let (kind, store) = try open(path)
    let loader = HeadLoader(path: path, config: config, store: store, target: target)
    switch kind {
    case .medusa: return try loader.medusa()
    case .hydra: return try loader.hydra()
    case .eagle: return try loader.eagle()
    }
  }

  /// What heads of a folder are, without loading them.
  /// - Throws: ``ModelFileError``.
  public static func kind(path: String) throws -> Kind { try open(path).kind }

  private static func open(_ path: String) throws(ModelFileError) -> (kind: Kind, store: any WeightStore) {
    for (kind, name) in [(Kind.medusa, "medusa_lm_head"), (.hydra, "hydra_lm_head")] {
      let file = "\(path)/\(name).safetensors"
      if FileKind.exists(file) { return (kind, try SafetensorsFile(path: file)) }
    }
    let single = path + "/model.safetensors"
    if FileKind.exists(single) {
      let store = try SafetensorsFile(path: single)
      guard store.contains("midlayer.self_attn.q_proj.weight") else {
        throw .unsupported(
          path: single,
          reason:
            "it holds no draft heads that are read here (EAGLE-3 has tensors midlayer.…); other layouts of EAGLE are not read"
        )
      }
      return (.eagle, store)
    }
    for pickle in ["medusa_lm_head.pt", "hydra_lm_head.pt", "pytorch_model.bin"]
    where FileKind.exists("\(path)/\(pickle)") {
      throw .unsupported(
        path: "\(path)/\(pickle)",
        reason:
          "its weights are pickled Python objects; python -m training.models.convert_heads makes safetensors of them"
      )
    }
    throw .notAModel(
      path: path,
      reason:
        "there is neither medusa_lm_head.safetensors nor hydra_lm_head.safetensors nor model.safetensors")
  }
}

/// Reads the tensors of heads with the checks that every one of them needs.
private struct HeadLoader {
  let path: String
  let config: ConfigReader
  let store: any WeightStore
  let target: DecoderModel

  private var hidden: Int { target.configuration.hiddenSize }
  private var vocabulary: Int { target.configuration.vocabularyCount }
  private var rounds: Bool { target.summary.computesInt8 }

  /// The companion may be at work, so weights are packed by a pool of their own.
  private func packer(_ pool: WorkerPool) -> WeightPacker {
    WeightPacker(store: store, pool: pool, rounding: rounds)
  }

  private func checkMemory() throws {
    guard let available = SystemMemory.availableByteCount, store.byteCount > available else { return }
    throw ModelError.memory(needed: store.byteCount, available: available, what: "\(path): draft heads")
  }

  private func linear(
    _ name: String, rows: Int, columns: Int, hasBias: Bool, _ packer: WeightPacker
  ) throws -> DecoderWeights.Projection {
    try packer.projection(
      [(name + ".weight", rows)], columns: columns, biases: hasBias ? [(name + ".bias", rows)] : [])
  }

  // MARK: Medusa

  func medusa() throws -> DraftHeads {
    try checkMemory()
    let packer = packer(WorkerPool(threadCount: target.pool.threadCount))
    // Old configurations count 2 heads where the file has 5: the tensors decide.
    let count = headCount { "\($0).0.linear.weight" }
    let layers = try config.int("medusa_num_layers", in: 1...64)
    guard count > 0 else { throw ModelFileError.tensorMissing(name: "0.0.linear.weight", file: store.path) }
    let heads = try (0..<count).map { head in
      HeadNetwork.Head(
        blocks: try (0..<layers).map { layer in
          HeadNetwork.Block(
            linear: try linear(
              "\(head).\(layer).linear", rows: hidden, columns: hidden, hasBias: true, packer),
            residual: nil)
        },
        output: try linear("\(head).\(layers)", rows: vocabulary, columns: hidden, hasBias: false, packer))
    }
    return DraftHeads(
      kind: .medusa, path: path, depth: count, taps: [.final],
      network: HeadNetwork(heads, target: target), layer: nil, headTokens: [], target: target)
  }

  private func headCount(_ name: (Int) -> String) -> Int {
    var count = 0
    while count < 64, store.contains(name(count)) { count += 1 }
    return count
  }

  // MARK: Hydra

  func hydra() throws -> DraftHeads {
    try checkMemory()
    let architecture = try config.optionalString("hydra_head_arch") ?? "mlp"
    guard ["mlp", "prefix-mlp"].contains(architecture) else {
      throw ModelError.unsupported("hydra_head_arch \"\(architecture)\"", file: config.file)
    }
    guard try config.optionalBool("grounded_heads") ?? true else {
      throw ModelError.unsupported("grounded_heads false", file: config.file)
    }
    let offset = try config.optionalInt("hidden_state_offset", in: 0...1 << 12) ?? 0
    guard offset == 0 else {
      throw ModelError.unsupported("hidden_state_offset \(offset)", file: config.file)
    }
    let hasPrefix = architecture == "prefix-mlp"
    // In Hydra++ every block and head stands behind a slot of dropout.
    func place(_ block: Int) -> Int { hasPrefix ? 2 * block + 1 : block }
    let count = headCount { "hydra_mlp.\($0).\(place(0)).linear.weight" }
    let layers = try config.int("hydra_num_layers", in: 1...64)
    guard count > 0 else {
      throw ModelFileError.tensorMissing(
        name: "hydra_mlp.0.\(place(0)).linear.weight", file: store.path)
    }
    let packer = packer(WorkerPool(threadCount: target.pool.threadCount))
    let heads = try (0..<count).map { head in
      let name = "hydra_mlp.\(head)"
      let width = (head + 2) * hidden
      var blocks = [
        HeadNetwork.Block(
          linear: try linear(
            "\(name).\(place(0)).linear", rows: hidden, columns: width, hasBias: true, packer),
          residual: try linear(
            "\(name).\(place(0)).res_connection", rows: hidden, columns: width, hasBias: true, packer))
      ]
      // The blocks behind the first are one module that the file has under several names.
      if layers > 1 {
        try checkShared((1..<layers).map { "\(name).\(place($0)).linear.weight" })
        let shared = HeadNetwork.Block(
          linear: try linear(
            "\(name).\(place(1)).linear", rows: hidden, columns: hidden, hasBias: true, packer),
          residual: nil)
        blocks += Array(repeating: shared, count: layers - 1)
      }
      let output = hasPrefix ? "hydra_lm_head.\(head).1" : "hydra_lm_head.\(head)"
      return HeadNetwork.Head(
        blocks: blocks,
        output: try linear(
          output, rows: vocabulary, columns: hidden, hasBias: store.contains(output + ".bias"), packer))
    }
    return DraftHeads(
      kind: .hydra, path: path, depth: count, taps: [.final],
      network: HeadNetwork(heads, target: target), layer: hasPrefix ? try prefixLayer() : nil,
      headTokens: [], target: target)
  }

  /// - Throws: where blocks that should be one differ.
  private func checkShared(_ names: [String]) throws {
    let first = try store.tensor(named: names[0])
    for name in names.dropFirst() {
      let other = try store.tensor(named: name)
      guard first.shape == other.shape, first.type == other.type, first.bytes.elementsEqual(other.bytes)
      else {
        throw ModelError.unsupported("\(name) that differs from \(names[0])", file: store.path)
      }
    }
  }

  private func prefixLayer() throws -> DecoderModel {
    var names = TensorNames.huggingFace
    names.embedding = ""
    names.head = ""
    names.layerPrefix = "prefix_embeding_layer.layers."
    names.finalNorm = "prefix_embeding_layer.norm.weight"
    return try layer(try layerConfiguration(), names)
  }

  // MARK: EAGLE-3

  func eagle() throws -> DraftHeads {
    try checkMemory()
    var configuration = try layerConfiguration()
    configuration.readsPairs = true
    if try config.optionalBool("norm_before_residual") ?? false {
      throw ModelError.unsupported("norm_before_residual", file: config.file)
    }
    if try config.optionalBool("norm_before_fc") ?? false {
      throw ModelError.unsupported("norm_before_fc", file: config.file)
    }
    let taps = try tapLayers().map { $0 == 0 ? OutputRequest.Tap.embedding : .layer($0 - 1) }
    let rows = try store.tensor(named: "lm_head.weight").shape.first ?? 0
    guard (1...vocabulary).contains(rows) else {
      throw ModelError.key(
        "draft_vocab_size", found: "\(rows)", expected: "1…\(vocabulary), the model's vocabulary",
        file: config.file)
    }
    configuration.logitCount = rows
    var names = TensorNames.huggingFace
    names.embedding = "embed_tokens.weight"
    names.head = "lm_head.weight"
    names.layerPrefix = "midlayer."
    names.numbersLayers = false
    names.vectorNorm = "hidden_norm"
    names.finalNorm = "norm.weight"
    if !store.contains(names.embedding), configuration.hiddenSize != hidden {
      throw ModelError.key(
        "hidden_size", found: "\(configuration.hiddenSize)", expected: "\(hidden), as of the model",
        file: config.file)
    }
    let packer = packer(WorkerPool(threadCount: target.pool.threadCount))
    let mixture = HeadNetwork.Head(
      blocks: [],
      output: try linear(
        "fc", rows: configuration.hiddenSize, columns: taps.count * hidden,
        hasBias: store.contains("fc.bias"),
        packer))
    return DraftHeads(
      kind: .eagle, path: path, depth: nil, taps: taps, network: HeadNetwork([mixture], target: target),
      layer: try layer(configuration, names), headTokens: try headTokens(rows), target: target)
  }

  /// The layers whose inputs are mixed: those that the configuration names, else the third, the middle one and the third from
  /// the end.
  private func tapLayers() throws -> [Int] {
    let count = target.configuration.layerCount
    if try config.object("eagle_config")?.ints("eagle_aux_hidden_state_layer_ids") != nil {
      throw ModelError.unsupported(
        "eagle_config.eagle_aux_hidden_state_layer_ids, which some programs take for inputs of layers and others for outputs (give eagle_aux_hidden_state_layer_ids beside it, which means inputs),",
        file: config.file)
    }
    let ids = try config.ints("eagle_aux_hidden_state_layer_ids") ?? [2, count / 2, count - 3]
    guard (1...16).contains(ids.count), ids.allSatisfy({ (0...count).contains($0) }) else {
      throw ModelError.key(
        "eagle_aux_hidden_state_layer_ids", found: "\(ids)", expected: "layers in 0…\(count)",
        file: config.file)
    }
    return ids
  }

  /// `d2t` holds for every row of the head how much higher the id of its token is.
  private func headTokens(_ rows: Int) throws -> [TokenID] {
    guard store.contains("d2t") else {
      guard rows == vocabulary else { throw ModelFileError.tensorMissing(name: "d2t", file: store.path) }
      return (0..<rows).map { TokenID($0) }
    }
    let view = try store.tensor(named: "d2t")
    guard view.type == .i64 else {
      throw ModelError.tensorFormat(
        name: "d2t", found: view.type.name, supported: [TensorType.i64.name], file: view.file)
    }
    guard view.shape == [rows] else {
      throw ModelError.tensorShape(name: "d2t", expected: [rows], found: view.shape, file: view.file)
    }
    return try (0..<rows).map { row in
      let offset = Int64(littleEndian: view.bytes.loadUnaligned(fromByteOffset: row * 8, as: Int64.self))
      let (id, overflow) = Int64(row).addingReportingOverflow(offset)
      guard !overflow, (0..<Int64(vocabulary)).contains(id) else {
        throw ModelError.key(
          "d2t", found: "an offset of \(offset) in row \(row)", expected: "tokens in 0..<\(vocabulary)",
          file: view.file)
      }
      return TokenID(Int(id))
    }
  }

  // MARK: Layers

  /// One layer of the Llama lineage with the model's vocabulary; what the configuration does not say is as in the model.
  private func layerConfiguration() throws -> DecoderConfiguration {
    let own = target.configuration
    let model: JSONValue = [
      "hidden_size": .integer(Int64(own.hiddenSize)), "num_attention_heads": .integer(Int64(own.headCount)),
      "num_key_value_heads": .integer(Int64(own.keyValueHeadCount)),
      "intermediate_size": .integer(Int64(own.feedForwardSize)),
      "max_position_embeddings": .integer(Int64(own.contextLength)),
      "rms_norm_eps": .number(Double(own.normEpsilon)), "rope_theta": .number(own.rotary.base),
      "vocab_size": .integer(Int64(own.vocabularyCount)), "num_hidden_layers": 1,
    ]
    var reader = config
    if config.value("hidden_size") == nil { reader = config.filling(model) }
    // The vocabulary of the heads' own model is of no use here.
    reader = reader.replacing("vocab_size", with: .integer(Int64(own.vocabularyCount)))
    reader = reader.replacing("num_hidden_layers", with: 1)
    var configuration = try reader.decoderConfiguration()
    let hasBias = try reader.optionalBool("attention_bias") ?? false
    configuration.hasQueryKeyValueBias = hasBias
    configuration.hasAttentionOutputBias = hasBias
    configuration.tiesEmbeddings = false
    return configuration
  }

  private func layer(_ configuration: DecoderConfiguration, _ names: TensorNames) throws -> DecoderModel {
    guard configuration.hiddenSize == hidden || configuration.readsPairs else {
      throw ModelError.key(
        "hidden_size", found: "\(configuration.hiddenSize)", expected: "\(hidden), as of the model",
        file: config.file)
    }
    let description = ModelDescription(
      configuration: configuration, traits: configuration.traits(family: "draft head"), names: names)
    let pool = WorkerPool(threadCount: target.pool.threadCount)
    let weights = try DecoderWeights(
      store: store, description: description, pool: pool, keepsBlocks: false, shared: target.weights,
      rounding: rounds, progress: { _ in })
    let options = ModelLoadOptions(
      compute: target.mode == .f32 ? .f32 : .auto, cacheFormat: target.cacheFormat)
    return try DecoderModel(
      description: description, weights: weights, options: options, kernels: target.kernels, pool: pool,
      contextLength: min(configuration.contextLength, target.configuration.contextLength), file: path,
      companion: target)
  }
}
