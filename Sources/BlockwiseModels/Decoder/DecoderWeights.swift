internal import BlockwiseFiles
internal import BlockwiseKernels

/// The packed weights of a decoder.
final class DecoderWeights: Sendable {
  /// A linear map `[rows, columns]` with an optional bias `[rows]`. As layers are, a class: a pass takes it up many times.
  final class Projection: Sendable {
    /// Matrices whose outputs lie side by side: one, unless a file stores the parts in different formats.
    let parts: [PackedMatrix]
    let bias: AlignedBuffer<Float>?

    init(parts: [PackedMatrix], bias: AlignedBuffer<Float>?) {
      self.parts = parts
      self.bias = bias
    }

    var outputCount: Int { parts.reduce(0) { $0 + $1.rows } }
  }

  /// The weights of a norm as the kernels multiply with them; a bias makes it a LayerNorm.
  struct Norm: Sendable {
    var weight: AlignedBuffer<Float>
    var bias: AlignedBuffer<Float>?
  }

  enum FeedForward: Sendable {
    /// `down(act(gate x) · up x)`; gate and up lie in one projection, gate first. Without a gate only up is there.
    case dense(gateUp: Projection, down: Projection)
    case mixture(router: Projection, experts: [(gateUp: Projection, down: Projection)])
  }

  final class Layer: Sendable {
    let attentionNorm: Norm
    /// Of the vectors that rows bring along.
    let vectorNorm: Norm?
    let queryKeyValue: Projection
    let attentionPostNorm: Norm?
    let feedForwardPostNorm: Norm?
    let queryNorm: Norm?
    let keyNorm: Norm?
    let attentionOutput: Projection
    let feedForwardNorm: Norm
    let feedForward: FeedForward

    init(
      attentionNorm: Norm, vectorNorm: Norm?, queryKeyValue: Projection, attentionPostNorm: Norm?,
      feedForwardPostNorm: Norm?, queryNorm: Norm?, keyNorm: Norm?, attentionOutput: Projection,
      feedForwardNorm: Norm, feedForward: FeedForward
    ) {
      self.attentionNorm = attentionNorm
      self.vectorNorm = vectorNorm
      self.queryKeyValue = queryKeyValue
      self.attentionPostNorm = attentionPostNorm
      self.feedForwardPostNorm = feedForwardPostNorm
      self.queryNorm = queryNorm
      self.keyNorm = keyNorm
      self.attentionOutput = attentionOutput
      self.feedForwardNorm = feedForwardNorm
      self.feedForward = feedForward
    }
  }

  /// The rows that stand for tokens.
  enum Embedding: Sendable {
    case packed(PackedMatrix)
    /// In the blocks of the file: rows are read one at a time, so nothing is gained by packing them all.
    case stored(StoredRows)

    /// - Parameter output: room for one row.
    func decodeRow(_ row: Int, into output: UnsafeMutablePointer<Float>) {
      switch self {
      case .packed(let matrix): matrix.decodeRow(row, into: output)
      case .stored(let rows): rows.decodeRow(row, into: output)
      }
    }
  }

  let embedding: Embedding
  let layers: [Layer]
  let finalNorm: Norm
  let head: Projection
  /// Scaling of the rotary frequencies that the file brings as tensors.
  let rotaryScaling: RotaryConfiguration.Scaling?

  /// Bytes that the matrices occupy.
  var byteCount: Int { matrices.reduce(storedEmbedding?.byteCount ?? 0) { $0 + $1.byteCount } }

  /// Parameters in the matrices and vectors.
  var parameterCount: Int {
    var norms: [Norm?] = [finalNorm]
    var count = matrices.reduce(0) { $0 + $1.rows * $1.columns }
    if let storedEmbedding { count += storedEmbedding.rows * storedEmbedding.columns }
    for layer in layers {
      norms += [
        layer.attentionNorm, layer.feedForwardNorm, layer.attentionPostNorm, layer.feedForwardPostNorm,
        layer.queryNorm, layer.keyNorm, layer.vectorNorm,
      ]
      count += (layer.queryKeyValue.bias?.count ?? 0) + (layer.attentionOutput.bias?.count ?? 0)
      if case .dense(let gateUp, let down) = layer.feedForward {
        count += (gateUp.bias?.count ?? 0) + (down.bias?.count ?? 0)
      }
    }
    for norm in norms { count += (norm?.weight.count ?? 0) + (norm?.bias?.count ?? 0) }
    return count
  }

  /// Parameters of the packed matrices per weight format.
  var formats: [WeightFormat: Int] {
    var counts: [WeightFormat: Int] = [:]
    for matrix in matrices { counts[matrix.format, default: 0] += matrix.rows * matrix.columns }
    return counts
  }

  /// Whether a matrix keeps the blocks of its file, to be decoded in every pass.
  var hasKeptBlocks: Bool { matrices.contains { $0.keptFormat != nil } }

  /// Whether any matrix has an int8 form of its product.
  var hasQuantizedMatrix: Bool { matrices.contains { MatmulMode.int8.resolved(for: $0.format) == .int8 } }

  /// All matrices, each once.
  var matrices: [PackedMatrix] {
    var all: [PackedMatrix] = []
    if case .packed(let matrix) = embedding { all.append(matrix) }
    for layer in layers {
      all += layer.queryKeyValue.parts + layer.attentionOutput.parts
      switch layer.feedForward {
      case .dense(let gateUp, let down): all += gateUp.parts + down.parts
      case .mixture(let router, let experts):
        all += router.parts
        for expert in experts { all += expert.gateUp.parts + expert.down.parts }
      }
    }
    // A tied head is the embedding's matrix.
    all += head.parts.filter { part in !all.contains { $0 === part } }
    return all
  }

  private var storedEmbedding: StoredRows? {
    if case .stored(let rows) = embedding { rows } else { nil }
  }

  /// Packs all weights of a checkpoint.
  /// - Parameters:
  ///   - keepsBlocks: whether block types that no kernel computes with stay as they are.
  ///   - shared: weights of the model that this one accompanies: its embedding and head serve where the store has none.
  ///   - rounding: float matrices whose rows are whole blocks of 32 become Q8_0.
  ///   - progress: called with the share of layers that are done.
  init(
    store: any WeightStore, description: ModelDescription, pool: WorkerPool, keepsBlocks: Bool,
    shared: DecoderWeights? = nil, rounding: Bool = false, progress: (Double) -> Void
  ) throws {
    let configuration = description.configuration
    let names = description.names
    let packer = WeightPacker(
      store: store, pool: pool, scratch: keepsBlocks ? ScratchTiles() : nil, rounding: rounding)
    let hidden = configuration.hiddenSize
    let vocabulary = configuration.vocabularyCount
    let steps = Double(configuration.layerCount + 2)

    if let shared, !store.contains(names.embedding) {
      embedding = shared.embedding
    } else {
      embedding = try packer.embedding(
        names.embedding, [vocabulary, hidden], isHead: configuration.tiesEmbeddings)
    }
    progress(1 / steps)
    var layers: [Layer] = []
    for index in 0..<configuration.layerCount {
      layers.append(try packer.layer(index, configuration, names))
      progress(Double(index + 2) / steps)
    }
    self.layers = layers
    finalNorm = try packer.norm(names.finalNorm, hidden, configuration)
    head =
      if let shared, !store.contains(names.head) {
        shared.head
      } else if configuration.tiesEmbeddings, case .packed(let matrix) = embedding {
        Projection(parts: [matrix], bias: nil)
      } else {
        try packer.projection([(names.head, configuration.outputCount)], columns: hidden)
      }
    rotaryScaling = try packer.rotaryScaling(description.rotaryTensors, configuration)
    progress(1)
  }
}

/// Reads tensors of a checkpoint with the checks that every one of them needs, and packs them.
struct WeightPacker {
  let store: any WeightStore
  let pool: WorkerPool
  /// Set where block types keep their blocks.
  fileprivate let scratch: ScratchTiles?
  /// Whether float matrices become Q8_0.
  let rounding: Bool

  /// A packer of floats and blocks that kernels compute with.
  init(store: any WeightStore, pool: WorkerPool, rounding: Bool) {
    self.init(store: store, pool: pool, scratch: nil, rounding: rounding)
  }

  fileprivate init(store: any WeightStore, pool: WorkerPool, scratch: ScratchTiles?, rounding: Bool) {
    self.store = store
    self.pool = pool
    self.scratch = scratch
    self.rounding = rounding
  }

  func layer(
    _ index: Int, _ configuration: DecoderConfiguration, _ names: TensorNames
  ) throws -> DecoderWeights.Layer {
    let hidden = configuration.hiddenSize
    let hasBias = configuration.hasQueryKeyValueBias
    var attention = [
      (names.query, configuration.querySize), (names.key, configuration.keyValueSize),
      (names.value, configuration.keyValueSize),
    ]
    var order: ((Int) -> Int)?
    if let fused = names.fusedQueryKeyValue {
      attention = [(fused, configuration.queryKeyValueSize)]
      if names.fusesPerHead { order = configuration.rowOfFusedHeads }
    }
    return DecoderWeights.Layer(
      attentionNorm: try norm(names.weight(index, names.attentionNorm), hidden, configuration),
      vectorNorm: configuration.readsPairs
        ? try norm(names.weight(index, names.vectorNorm), hidden, configuration) : nil,
      queryKeyValue: try projection(
        attention.map { (names.weight(index, $0.0), $0.1) }, columns: configuration.attentionInputSize,
        biases: hasBias ? attention.map { (names.bias(index, $0.0), $0.1) } : [], rowOrder: order),
      attentionPostNorm: configuration.hasPostNorms
        ? try norm(names.weight(index, names.attentionPostNorm), hidden, configuration) : nil,
      feedForwardPostNorm: configuration.hasPostNorms
        ? try norm(names.weight(index, names.feedForwardPostNorm), hidden, configuration) : nil,
      queryNorm: configuration.hasQueryKeyNorm
        ? try norm(names.weight(index, names.queryNorm), configuration.headDimension, configuration) : nil,
      keyNorm: configuration.hasQueryKeyNorm
        ? try norm(names.weight(index, names.keyNorm), configuration.headDimension, configuration) : nil,
      attentionOutput: try projection(
        [(names.weight(index, names.attentionOutput), hidden)], columns: configuration.querySize,
        biases: configuration.hasAttentionOutputBias
          ? [(names.bias(index, names.attentionOutput), hidden)] : []),
      feedForwardNorm: try norm(names.weight(index, names.feedForwardNorm), hidden, configuration),
      feedForward: try feedForward(index, configuration, names))
  }

  private func feedForward(
    _ index: Int, _ configuration: DecoderConfiguration, _ names: TensorNames
  ) throws -> DecoderWeights.FeedForward {
    let hidden = configuration.hiddenSize
    guard let mixture = configuration.mixture, mixture.layers[index] else {
      let inner = configuration.feedForwardSize
      let hasBias = configuration.hasFeedForwardBias
      var gateUp = names.fusedGateUp.map { [($0, 2 * inner)] } ?? [(names.gate, inner), (names.up, inner)]
      if !configuration.hasGate { gateUp = [(names.up, inner)] }
      return .dense(
        gateUp: try projection(
          gateUp.map { (names.weight(index, $0.0), $0.1) }, columns: hidden,
          biases: hasBias ? gateUp.map { (names.bias(index, $0.0), $0.1) } : []),
        down: try projection(
          [(names.weight(index, names.down), hidden)], columns: inner,
          biases: hasBias ? [(names.bias(index, names.down), hidden)] : []))
    }
    let inner = mixture.feedForwardSize
    let router = try projection(
      [(names.weight(index, names.router), mixture.expertCount)], columns: hidden)
    let count = mixture.expertCount
    let gates = try expertViews(index, names, names.expertGate, count: count, shape: [inner, hidden])
    let ups = try expertViews(index, names, names.expertUp, count: count, shape: [inner, hidden])
    let downs = try expertViews(index, names, names.expertDown, count: count, shape: [hidden, inner])
    return .mixture(
      router: router,
      experts: try (0..<count).map { expert in
        (
          gateUp: DecoderWeights.Projection(
            parts: try parts([gates[expert], ups[expert]], columns: hidden), bias: nil),
          down: DecoderWeights.Projection(parts: try parts([downs[expert]], columns: inner), bias: nil)
        )
      })
  }

  /// One projection of all experts of a layer: a tensor each, or one tensor `[experts, rows, columns]`.
  private func expertViews(
    _ index: Int, _ names: TensorNames, _ part: String, count: Int, shape: [Int]
  ) throws -> [TensorView] {
    guard !part.contains("@") else {
      return try (0..<count).map { try view(names.weight(index, part, expert: $0), shape) }
    }
    let all = try view(names.weight(index, part), [count] + shape)
    return (0..<count).map { all.part($0) }
  }

  /// The scaling in tensors of the file; nil where it has none.
  func rotaryScaling(
    _ tensors: ModelDescription.RotaryTensors?, _ configuration: DecoderConfiguration
  ) throws -> RotaryConfiguration.Scaling? {
    func divisors(_ name: String) throws -> [Double] {
      let divisors = try vector(name, configuration.rotary.dimension / 2)
      guard divisors.allSatisfy({ $0 > 0 }) else {
        throw ModelError.key(
          name, found: "a divisor of 0 or less", expected: "positive numbers", file: store.path)
      }
      guard configuration.rotary.scaling == .none else {
        throw ModelError.unsupported("\(name) beside another scaling of rotary frequencies", file: store.path)
      }
      return divisors.map(Double.init)
    }
    switch tensors {
    case .divisors(let name) where store.contains(name): return .divisors(try divisors(name))
    case .longrope(let short, let long, let original, let factor):
      return .longrope(
        short: try divisors(short), long: try divisors(long), originalContext: original,
        attentionFactor: factor)
    case .divisors, nil: return nil
    }
  }

  /// - Parameter isHead: whether the logits are products with the same matrix.
  func embedding(_ name: String, _ shape: [Int], isHead: Bool) throws -> DecoderWeights.Embedding {
    let view = try view(name, shape)
    let format = try format(view)
    guard !isHead, let stored = view.type.storedBlockFormat else {
      return .packed(try pack([view], format, columns: shape[1]))
    }
    guard let source = view.bytes.baseAddress else {
      throw ModelError.tensorShape(name: name, expected: [1, 1], found: shape, file: view.file)
    }
    let rowByteCount = view.byteCount / max(1, shape[0])
    do throws(PackingError) {
      return .stored(
        try StoredRows(
          format: stored, rows: shape[0], columns: shape[1], source: source, pool: pool,
          didCopy: { rows in
            view.release(bytes: rows.lowerBound * rowByteCount..<rows.upperBound * rowByteCount)
          }))
    } catch {
      throw translated(error, views: [view], columns: shape[1])
    }
  }

  /// Packs matrices of equal width into one where they share a format, so that one sweep computes them all.
  func projection(
    _ matrices: [(name: String, rows: Int)], columns: Int, biases: [(name: String, rows: Int)] = [],
    rowOrder: ((Int) -> Int)? = nil
  ) throws -> DecoderWeights.Projection {
    let parts = try parts(
      try matrices.map { try view($0.name, [$0.rows, columns]) }, columns: columns, rowOrder: rowOrder)
    guard !biases.isEmpty else { return DecoderWeights.Projection(parts: parts, bias: nil) }
    let stored = try biases.flatMap { try vector($0.name, $0.rows) }
    let ordered = rowOrder.map { order in stored.indices.map { stored[order($0)] } } ?? stored
    return DecoderWeights.Projection(parts: parts, bias: try aligned(ordered, name: biases[0].name))
  }

  private func parts(
    _ views: [TensorView], columns: Int, rowOrder: ((Int) -> Int)? = nil
  ) throws -> [PackedMatrix] {
    let formats = try views.map(format)
    let types = views.map(\.type)
    if views.count == 1 || types.allSatisfy({ $0 == types[0] }) && !keepsBlocks(of: types[0]) {
      return [try pack(views, formats[0], columns: columns, rowOrder: rowOrder)]
    }
    return try zip(views, formats).map { try pack([$0], $1, columns: columns) }
  }

  /// The weights of a norm as the kernels multiply with them.
  func norm(_ name: String, _ count: Int, _ configuration: DecoderConfiguration) throws -> DecoderWeights.Norm
  {
    let weights = try vector(name, count)
    let bias = TensorNames.bias(of: name)
    return DecoderWeights.Norm(
      weight: try aligned(configuration.storesNormsLessOne ? weights.map { $0 + 1 } : weights, name: name),
      bias: configuration.hasLayerNorm ? try aligned(try vector(bias, count), name: bias) : nil)
  }

  /// Numbers where the threads of a pass read them.
  private func aligned(_ values: [Float], name: String) throws -> AlignedBuffer<Float> {
    do throws(AllocationError) {
      let buffer = try AlignedBuffer<Float>(count: values.count)
      for (index, value) in values.enumerated() { buffer.pointer[index] = value }
      return buffer
    } catch {
      throw ModelError.memory(
        needed: error.byteCount ?? Int.max, available: 0, what: "tensor \(name) of \(store.path)")
    }
  }

  /// A vector of `count` numbers, widened to f32.
  func vector(_ name: String, _ count: Int) throws -> [Float] {
    let view = try view(name, [count])
    _ = try format(view)
    guard count % view.type.blockElementCount == 0 else {
      throw ModelError.tensorShape(
        name: name, expected: [view.type.blockElementCount], found: view.shape, file: view.file)
    }
    var values = [Float](repeating: 0, count: count)
    values.withUnsafeMutableBufferPointer { target in
      guard let source = view.bytes.baseAddress, let target = target.baseAddress else { return }
      _ = view.type.decode(source, elementCount: count, into: target)
    }
    view.release()
    guard values.allSatisfy(\.isFinite) else {
      throw ModelError.nonFiniteWeight(name: name, row: 0, file: view.file)
    }
    return values
  }

  private func view(_ name: String, _ shape: [Int]) throws -> TensorView {
    let view = try store.tensor(named: name)
    guard view.shape == shape else {
      throw ModelError.tensorShape(name: name, expected: shape, found: view.shape, file: view.file)
    }
    return view
  }

  private func format(_ view: TensorView) throws -> WeightFormat {
    guard let format = view.type.residentFormat else {
      throw ModelError.tensorFormat(
        name: view.name, found: view.type.name, supported: TensorType.decodableNames, file: view.file)
    }
    // A second factor for the whole matrix, which lies in a tensor of its own; without it the weights would be wrong.
    let scale = (view.name.hasSuffix(".weight") ? String(view.name.dropLast(6)) : view.name + ".") + "scale"
    if view.type.storedBlockFormat == .nvfp4, store.contains(scale) {
      throw ModelError.unsupported("\(scale) beside weights of NVFP4", file: view.file)
    }
    return format
  }

  private func keepsBlocks(of type: TensorType) -> Bool {
    scratch != nil && type.storedBlockFormat != nil
  }

  /// One matrix in the blocks of its file.
  private func keep(
    _ view: TensorView, _ stored: StoredBlockFormat, _ scratch: ScratchTiles, columns: Int,
    rowOrder: ((Int) -> Int)?
  ) throws -> PackedMatrix {
    guard let source = view.bytes.baseAddress else {
      throw ModelError.tensorShape(
        name: view.name, expected: [1, columns], found: view.shape, file: view.file)
    }
    let rows: StoredRows
    do throws(PackingError) {
      rows = try StoredRows(
        format: stored, rows: view.shape[0], columns: columns, source: source, pool: pool, rowOrder: rowOrder)
    } catch {
      throw translated(error, views: [view], columns: columns)
    }
    view.release()
    return PackedMatrix(
      keeping: rows,
      scratch: try scratch.tiles(columns: columns, pool: pool, tensor: view.name, file: view.file))
  }

  private func pack(
    _ views: [TensorView], _ format: WeightFormat, columns: Int, rowOrder: ((Int) -> Int)? = nil
  ) throws -> PackedMatrix {
    if let scratch, let stored = views[0].type.storedBlockFormat {
      precondition(views.count == 1, "\(views.count) matrices of blocks that are kept one by one")
      return try keep(views[0], stored, scratch, columns: columns, rowOrder: rowOrder)
    }
    if rounding, columns % 32 == 0, [.f32, .f16, .bf16].contains(format) {
      return try packRounded(views, columns: columns, rowOrder: rowOrder)
    }
    var sources: [PackedMatrix.Source] = []
    for view in views {
      guard let base = view.bytes.baseAddress else {
        throw ModelError.tensorShape(
          name: view.name, expected: [1, columns], found: view.shape, file: view.file)
      }
      sources.append(PackedMatrix.Source(base: base, rowCount: view.shape[0]))
    }
    var released = 0
    var start = 0
    do throws(PackingError) {
      // Source pages go as soon as they are packed, so that loading needs the memory of the weights only once.
      return try PackedMatrix(
        format: format, stored: views[0].type.storedBlockFormat, columns: columns, sources: sources,
        pool: pool, rowOrder: rowOrder,
        didPack: { rows in
          // Rows of one matrix in another order all come from the same view, which goes with its last chunk.
          while released < views.count, start + views[released].shape[0] <= rows.upperBound {
            start += views[released].shape[0]
            views[released].release()
            released += 1
          }
        })
    } catch {
      throw translated(error, views: views, columns: columns)
    }
  }

  /// Float matrices as Q8_0, a row at a time.
  private func packRounded(
    _ views: [TensorView], columns: Int, rowOrder: ((Int) -> Int)?
  ) throws -> PackedMatrix {
    guard let rowByteCount = RowEncoding.q8_0.rowByteCount(elementCount: columns) else {
      preconditionFailure("\(columns) columns are whole blocks")
    }
    let rowCount = views.reduce(0) { $0 + $1.shape[0] }
    var bytes = [UInt8](repeating: 0, count: rowCount * rowByteCount)
    var row = [Float](repeating: 0, count: columns)
    var written = 0
    for view in views {
      guard let base = view.bytes.baseAddress, let size = view.type.byteCount(elementCount: columns) else {
        continue
      }
      for index in 0..<view.shape[0] {
        row.withUnsafeMutableBufferPointer { row in
          if let target = row.baseAddress {
            _ = view.type.decode(base + index * size, elementCount: columns, into: target)
          }
        }
        do {
          try bytes.withUnsafeMutableBytes { bytes in
            let target = bytes[written * rowByteCount..<(written + 1) * rowByteCount]
            try row.withUnsafeBufferPointer { row in
              try RowEncoding.q8_0.encode(
                row, columnCount: columns, into: UnsafeMutableRawBufferPointer(rebasing: target))
            }
          }
        } catch {
          throw ModelError.nonFiniteWeight(name: view.name, row: index, file: view.file)
        }
        written += 1
      }
      view.release()
    }
    return try bytes.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else {
        throw ModelError.tensorShape(
          name: views[0].name, expected: [1, columns], found: views[0].shape, file: views[0].file)
      }
      do throws(PackingError) {
        return try PackedMatrix(
          format: .q8_0, columns: columns,
          sources: [PackedMatrix.Source(base: base, rowCount: rowCount)], pool: pool, rowOrder: rowOrder)
      } catch {
        throw translated(error, views: views, columns: columns)
      }
    }
  }

  private func translated(_ error: PackingError, views: [TensorView], columns: Int) -> ModelError {
    let file = views[0].file
    switch error {
    case .nonFinite(let row):
      var start = 0
      for view in views {
        if row < start + view.shape[0] {
          return .nonFiniteWeight(name: view.name, row: row - start, file: view.file)
        }
        start += view.shape[0]
      }
      return .nonFiniteWeight(name: views[0].name, row: row, file: file)
    case .raggedRow(let blockElementCount, let columns):
      return .tensorShape(
        name: views[0].name, expected: [views[0].shape[0], blockElementCount],
        found: [views[0].shape[0], columns], file: file)
    case .size(let rows, let columns):
      return .tensorShape(name: views[0].name, expected: [1, 1], found: [rows, columns], file: file)
    case .outOfMemory(let byteCount):
      return .memory(needed: byteCount, available: 0, what: "tensor \(views[0].name) of \(file)")
    }
  }
}

/// Scratch tiles by the width of the matrices that share them.
private final class ScratchTiles {
  private var byColumns: [Int: TileScratch] = [:]

  func tiles(columns: Int, pool: WorkerPool, tensor: String, file: String) throws -> TileScratch {
    if let tiles = byColumns[columns] { return tiles }
    do throws(AllocationError) {
      let tiles = try TileScratch(workerCount: pool.threadCount, columns: columns)
      byColumns[columns] = tiles
      return tiles
    } catch {
      throw ModelError.memory(
        needed: error.byteCount ?? Int.max, available: 0, what: "decoding of tensor \(tensor) of \(file)")
    }
  }
}
