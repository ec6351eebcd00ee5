internal import BlockwiseFiles

/// The tensors that a description asks for, with their shapes: what is checked before weights are read.
struct RequiredTensors {
  // Those of one layer at a time: a configuration can claim more layers and experts than there is memory for names.
  private var all: [(name: String, shape: [Int])] = []
  private let configuration: DecoderConfiguration
  private let names: TensorNames

  init(_ description: ModelDescription) {
    configuration = description.configuration
    names = description.names
  }

  /// - Throws: ``ModelError`` and ``ModelFileError`` that name the first tensor that is missing or has another shape, and
  ///   layers that the configuration does not count.
  mutating func check(_ store: any WeightStore) throws {
    let hidden = configuration.hiddenSize
    all.append((names.embedding, [configuration.vocabularyCount, hidden]))
    for layer in 0..<configuration.layerCount {
      try compare(with: store)
      add(layer)
    }
    norm(names.finalNorm, hidden)
    if !configuration.tiesEmbeddings { all.append((names.head, [configuration.vocabularyCount, hidden])) }
    try compare(with: store)
    let next = "\(names.layerPrefix)\(configuration.layerCount)."
    if let extra = store.names.first(where: { $0.hasPrefix(next) }) {
      throw ModelError.key(
        "the number of layers", found: "\(configuration.layerCount)",
        expected: "one more at least, since there is a tensor \(extra)", file: store.path)
    }
  }

  /// Checks what has been added and forgets it.
  private mutating func compare(with store: any WeightStore) throws {
    for (name, shape) in all {
      let view = try store.tensor(named: name)
      guard view.shape == shape else {
        throw ModelError.tensorShape(name: name, expected: shape, found: view.shape, file: view.file)
      }
    }
    all.removeAll(keepingCapacity: true)
  }

  private mutating func add(_ layer: Int) {
    let hidden = configuration.hiddenSize
    norm(names.weight(layer, names.attentionNorm), hidden)
    if let fused = names.fusedQueryKeyValue {
      linear(
        layer, fused, configuration.queryKeyValueSize, hidden, hasBias: configuration.hasQueryKeyValueBias)
    } else {
      for (part, rows) in [
        (names.query, configuration.querySize), (names.key, configuration.keyValueSize),
        (names.value, configuration.keyValueSize),
      ] { linear(layer, part, rows, hidden, hasBias: configuration.hasQueryKeyValueBias) }
    }
    if configuration.hasQueryKeyNorm {
      norm(names.weight(layer, names.queryNorm), configuration.headDimension)
      norm(names.weight(layer, names.keyNorm), configuration.headDimension)
    }
    linear(
      layer, names.attentionOutput, hidden, configuration.querySize,
      hasBias: configuration.hasAttentionOutputBias)
    norm(names.weight(layer, names.feedForwardNorm), hidden)
    if configuration.hasPostNorms {
      norm(names.weight(layer, names.attentionPostNorm), hidden)
      norm(names.weight(layer, names.feedForwardPostNorm), hidden)
    }
    if let mixture = configuration.mixture, mixture.layers[layer] {
      add(mixture, layer)
    } else {
      let inner = configuration.feedForwardSize
      let hasBias = configuration.hasFeedForwardBias
      if !configuration.hasGate {
        linear(layer, names.up, inner, hidden, hasBias: hasBias)
      } else if let fused = names.fusedGateUp {
        linear(layer, fused, 2 * inner, hidden, hasBias: hasBias)
      } else {
        linear(layer, names.gate, inner, hidden, hasBias: hasBias)
        linear(layer, names.up, inner, hidden, hasBias: hasBias)
      }
      linear(layer, names.down, hidden, inner, hasBias: hasBias)
    }
  }

  private mutating func add(_ mixture: DecoderConfiguration.Mixture, _ layer: Int) {
    let hidden = configuration.hiddenSize
    linear(layer, names.router, mixture.expertCount, hidden, hasBias: false)
    for (part, shape) in [
      (names.expertGate, [mixture.feedForwardSize, hidden]),
      (names.expertUp, [mixture.feedForwardSize, hidden]),
      (names.expertDown, [hidden, mixture.feedForwardSize]),
    ] {
      if part.contains("@") {
        for expert in 0..<mixture.expertCount {
          all.append((names.weight(layer, part, expert: expert), shape))
        }
      } else {
        all.append((names.weight(layer, part), [mixture.expertCount] + shape))
      }
    }
  }

  private mutating func linear(_ layer: Int, _ part: String, _ rows: Int, _ columns: Int, hasBias: Bool) {
    all.append((names.weight(layer, part), [rows, columns]))
    if hasBias { all.append((names.bias(layer, part), [rows])) }
  }

  private mutating func norm(_ name: String, _ count: Int) {
    all.append((name, [count]))
    if configuration.hasLayerNorm { all.append((TensorNames.bias(of: name), [count])) }
  }
}
