internal import BlockwiseFiles
internal import BlockwiseKernels
internal import Foundation

/// One pass: the rows of all sequences through all layers.
///
/// Rows are flattened over the sequences; every step treats a row by itself, except attention, which reads the keys
/// that the row may see in the order of their positions. That is why a row's result does not depend on its company.
struct DecoderPass {
  /// One sequence's share of the pass.
  struct Sequence {
    let plan: BlockPlan
    /// The first of its rows among all rows of the pass.
    let firstRow: Int
    let slots: [Int]
    /// Visible keys, one entry per combination of window and key selection that layers have.
    let visible: [VisibleKeys]
    /// Per layer an index into ``visible``.
    let visibleOfLayer: [Int]
    /// Base addresses of this sequence's cache pages.
    let pages: [UnsafeMutableRawPointer]

    var maximumKeyCount: Int { visible.reduce(0) { max($0, $1.maximumKeyCount) } }

    init(
      plan: BlockPlan, layout: PassLayout, cache: SequenceCache, firstRow: Int,
      configuration: DecoderConfiguration
    ) {
      self.plan = plan
      self.firstRow = firstRow
      slots = layout.slots
      var pages: [UnsafeMutableRawPointer] = []
      cache.appendPageTable(to: &pages)
      self.pages = pages

      let pass = layout.visibilityPass(plan: plan, cache: cache)
      var visible: [VisibleKeys] = []
      var kinds: [(window: Int?, selection: [Int32]?)] = []
      var ofLayer: [Int] = []
      for layer in 0..<configuration.layerCount {
        var selection: [Int32]?
        if case .perLayer(let positions) = plan.keys { selection = positions[layer] }
        let window = configuration.windows[layer]
        if let known = kinds.firstIndex(where: { $0.window == window && $0.selection == selection }) {
          ofLayer.append(known)
        } else {
          ofLayer.append(kinds.count)
          kinds.append((window, selection))
          var keys = VisibleKeys()
          keys.fill(pass, window: window, selection: selection)
          visible.append(keys)
        }
      }
      self.visible = visible
      visibleOfLayer = ofLayer
    }
  }

  /// Rows whose logits are held at a time when only their statistics are wanted.
  static let reducedRowCount = 16

  let model: DecoderModel
  let sequences: [Sequence]
  let rowCount: Int

  var configuration: DecoderConfiguration { model.configuration }
  private var workspace: DecoderWorkspace { model.workspace }
  private var kernels: Kernels { model.kernels }
  private var pool: WorkerPool { model.pool }

  func run(into result: BlockResultBuffer) {
    prepare(result)
    embed()
    record(.embedding, into: result)
    for (index, layer) in model.weights.layers.enumerated() {
      attention(index, layer)
      feedForward(layer)
      record(.layer(index), into: result)
    }
    recordFinal(into: result)
    head(into: result)
  }

  // MARK: Input

  private func embed() {
    let hidden = workspace.hidden.pointer
    let size = configuration.hiddenSize
    for sequence in sequences {
      for row in 0..<sequence.plan.rowCount {
        let target = hidden + (sequence.firstRow + row) * size
        if let given = sequence.plan.embeddings, let index = given.rows.firstIndex(of: row) {
          given.vectors.withUnsafeBufferPointer { vectors in
            for element in 0..<size { target[element] = vectors[index * size + element] }
          }
        } else {
          model.weights.embedding.decodeRow(sequence.plan.tokens[row].index, into: target)
          if let scale = configuration.embeddingScale {
            kernels.scale(target, by: scale, into: target, count: size)
          }
        }
      }
    }
  }

  // MARK: Attention

  private func attention(_ index: Int, _ layer: DecoderWeights.Layer) {
    normalize(layer.attentionNorm, into: workspace.normed)
    project(
      layer.queryKeyValue, input: workspace.normed, rowCount: rowCount,
      output: workspace.queryKeyValue.pointer, stride: configuration.queryKeyValueSize)
    for sequence in sequences {
      prepareRows(of: sequence, layerIndex: index, layer)
    }
    for sequence in sequences {
      attend(sequence, layerIndex: index)
    }
    workspace.attended.quantizeIfNeeded(rowCount: rowCount, mode: model.mode, kernels: kernels, pool: pool)
    project(
      layer.attentionOutput, input: workspace.attended, rowCount: rowCount,
      output: workspace.projected.pointer,
      stride: configuration.hiddenSize)
    if let norm = layer.attentionPostNorm { normalizeProjected(norm) }
    // In parallel the feed-forward network reads the residual stream as attention found it.
    if configuration.hasParallelResidual { normalize(layer.feedForwardNorm, into: workspace.normed) }
    addToResidual(workspace.projected.pointer)
  }

  /// Norms and rotates q and k, and writes k and v to the cache in its format: everybody reads the rounded values.
  private func prepareRows(of sequence: Sequence, layerIndex: Int, _ layer: DecoderWeights.Layer) {
    let cacheLayout = model.cacheLayout
    let rowsPerItem = 8
    let rowCount = sequence.plan.rowCount
    pool.run((rowCount + rowsPerItem - 1) / rowsPerItem) { item, _ in
      let first = item * rowsPerItem
      for row in first..<min(first + rowsPerItem, rowCount) {
        prepareRow(row, of: sequence, layerIndex: layerIndex, layer, cacheLayout: cacheLayout)
      }
    }
  }

  private func prepareRow(
    _ row: Int, of sequence: Sequence, layerIndex: Int, _ layer: DecoderWeights.Layer,
    cacheLayout: CacheLayout
  ) {
    let dimension = configuration.headDimension
    let query = workspace.queryKeyValue.pointer + (sequence.firstRow + row) * configuration.queryKeyValueSize
    let key = query + configuration.querySize
    let value = key + configuration.keyValueSize
    let parts = [
      (query, configuration.headCount, layer.queryNorm),
      (key, configuration.keyValueHeadCount, layer.keyNorm),
    ]
    let position = Int(sequence.plan.positions[row])
    for (heads, count, norm) in parts {
      if let norm {
        apply(
          norm, to: heads, stride: dimension, rowCount: count, columnCount: dimension, into: heads,
          outputStride: dimension)
      }
      guard configuration.rotaryLayers?[layerIndex] ?? true else { continue }
      let hasWindow = configuration.windows[layerIndex] != nil
      let table = hasWindow ? workspace.windowRotary ?? workspace.rotary : workspace.rotary
      table.withAngles(at: position) { cosines, sines in
        kernels.rotate(
          heads, headCount: count, headStride: dimension, pairCount: table.pairCount,
          layout: configuration.rotary.layout == .half ? .halves : .pairs, cosines: cosines, sines: sines)
      }
    }
    let slot = sequence.slots[row]
    let pageSize = CacheLayout.pageSlotCount
    let base = sequence.pages[slot / pageSize] + slot % pageSize * cacheLayout.headRowByteCount
    for head in 0..<configuration.keyValueHeadCount {
      kernels.encodeCacheRow(
        key + head * dimension, headDimension: dimension, format: cacheLayout.format,
        into: base + cacheLayout.keyOffset(layer: layerIndex, head: head))
      kernels.encodeCacheRow(
        value + head * dimension, headDimension: dimension, format: cacheLayout.format,
        into: base + cacheLayout.valueOffset(layer: layerIndex, head: head))
    }
  }

  private func attend(_ sequence: Sequence, layerIndex: Int) {
    let dimension = configuration.headDimension
    let keys = sequence.visible[sequence.visibleOfLayer[layerIndex]]
    let split = AttentionSplit(
      keyValueHeadCount: configuration.keyValueHeadCount, rowCount: sequence.plan.rowCount,
      queryCount: configuration.headCount / configuration.keyValueHeadCount, threadCount: pool.threadCount)
    let output = workspace.attended.row(sequence.firstRow)
    keys.runs.withUnsafeBufferPointer { runs in
      keys.bounds.withUnsafeBufferPointer { bounds in
        sequence.pages.withUnsafeBufferPointer { pages in
          guard let bounds = bounds.baseAddress, let pages = pages.baseAddress else { return }
          guard let runs = runs.baseAddress else {
            // No row sees anything.
            for row in 0..<sequence.plan.rowCount {
              let target = output + row * workspace.attended.stride
              target.update(repeating: 0, count: configuration.querySize)
            }
            return
          }
          let block = AttentionBlock(
            head: AttentionHead(
              keyOffset: 0, valueOffset: 0, headDimension: dimension, format: model.cacheLayout.format,
              scale: configuration.attentionScale ?? 1 / Float(dimension).squareRoot(),
              softCap: configuration.attentionSoftCap),
            pages: pages, runs: runs, runBounds: bounds, rowCount: sequence.plan.rowCount,
            queryCount: configuration.headCount / configuration.keyValueHeadCount,
            queries: workspace.queryKeyValue.pointer + sequence.firstRow * configuration.queryKeyValueSize,
            queryRowStride: configuration.queryKeyValueSize, queryStride: dimension,
            output: output, outputRowStride: workspace.attended.stride, outputStride: dimension,
            scratch: workspace.scores.pointer)
          pool.run(
            split.itemCount,
            job: AttentionJob(
              kernels: kernels, split: split, block: block, cacheLayout: model.cacheLayout,
              layerIndex: layerIndex, scratchCount: workspace.scoreCapacity))
        }
      }
    }
  }

  // MARK: Feed-forward

  private func feedForward(_ layer: DecoderWeights.Layer) {
    if !configuration.hasParallelResidual { normalize(layer.feedForwardNorm, into: workspace.normed) }
    switch layer.feedForward {
    case .dense(let gateUp, let down):
      applyGated(
        gateUp: gateUp, down: down, input: workspace.normed, rowCount: rowCount,
        gateUpOutput: workspace.gateUp.pointer, inner: workspace.inner, output: workspace.projected.pointer)
    case .mixture(let router, let experts):
      mix(router: router, experts: experts)
    }
    if let norm = layer.feedForwardPostNorm { normalizeProjected(norm) }
    addToResidual(workspace.projected.pointer)
  }

  /// `down(act(gate x) · up x)`, or `down(act(up x))` without a gate; `input` is quantised already.
  func applyGated(
    gateUp: DecoderWeights.Projection, down: DecoderWeights.Projection, input: ActivationRows, rowCount: Int,
    gateUpOutput: UnsafeMutablePointer<Float>, inner: ActivationRows, output: UnsafeMutablePointer<Float>
  ) {
    let size = inner.columnCount
    project(gateUp, input: input, rowCount: rowCount, output: gateUpOutput, stride: 2 * size)
    pool.run(rowCount) { row, _ in
      let gate = gateUpOutput + row * 2 * size
      let up = gate + size
      if !configuration.hasGate { up.update(repeating: 1, count: size) }
      switch configuration.activation {
      case .silu: kernels.siluMultiply(gate: gate, up: up, into: inner.row(row), count: size)
      case .geluTanh:
        Self.prepareGelu(gate: gate, up: up, count: size)
        kernels.siluMultiply(gate: gate, up: up, into: inner.row(row), count: size)
      case .gelu: Self.geluMultiply(gate: gate, up: up, into: inner.row(row), count: size)
      }
      if model.mode == .int8 { inner.quantize(rows: row..<row + 1, kernels: kernels) }
    }
    project(down, input: inner, rowCount: rowCount, output: output, stride: configuration.hiddenSize)
  }

  // MARK: Steps

  /// One norm of rows.
  func apply(
    _ norm: DecoderWeights.Norm, to x: UnsafePointer<Float>, stride: Int, rowCount: Int, columnCount: Int,
    into y: UnsafeMutablePointer<Float>, outputStride: Int
  ) {
    if let bias = norm.bias {
      kernels.layerNorm(
        x, stride: stride, weight: norm.weight, bias: bias, epsilon: configuration.normEpsilon,
        rowCount: rowCount, columnCount: columnCount, into: y, outputStride: outputStride)
    } else {
      kernels.rmsNorm(
        x, stride: stride, weight: norm.weight, epsilon: configuration.normEpsilon, rowCount: rowCount,
        columnCount: columnCount, into: y, outputStride: outputStride)
    }
  }

  /// The norm of the residual stream, and its int8 form where products need one.
  private func normalize(_ norm: DecoderWeights.Norm, into target: ActivationRows) {
    let rowsPerItem = 4
    let size = configuration.hiddenSize
    pool.run((rowCount + rowsPerItem - 1) / rowsPerItem) { item, _ in
      let rows = item * rowsPerItem..<min((item + 1) * rowsPerItem, rowCount)
      apply(
        norm, to: workspace.hidden.pointer + rows.lowerBound * size, stride: size, rowCount: rows.count,
        columnCount: size, into: target.row(rows.lowerBound), outputStride: target.stride)
      if model.mode == .int8 { target.quantize(rows: rows, kernels: kernels) }
    }
  }

  /// A product of all rows; parts lie side by side in the output.
  func project(
    _ projection: DecoderWeights.Projection, input: ActivationRows, rowCount: Int,
    output: UnsafeMutablePointer<Float>, stride: Int
  ) {
    var first = 0
    for matrix in projection.parts {
      if let bias = projection.bias {
        bias.withUnsafeBufferPointer { bias in
          kernels.matmul(
            matrix, input: input, rowCount: rowCount, output: output + first, outputStride: stride,
            bias: bias.baseAddress.map { $0 + first }, mode: model.mode, pool: pool)
        }
      } else {
        kernels.matmul(
          matrix, input: input, rowCount: rowCount, output: output + first, outputStride: stride,
          mode: model.mode, pool: pool)
      }
      first += matrix.rows
    }
  }

  /// A norm behind a projection, in place.
  private func normalizeProjected(_ norm: DecoderWeights.Norm) {
    let size = configuration.hiddenSize
    let rows = workspace.projected.pointer
    apply(
      norm, to: rows, stride: size, rowCount: rowCount, columnCount: size, into: rows, outputStride: size)
  }

  /// Turns gate and up into the pair whose `silu(gate) · up` is `gelu(gate) · up` in the tanh form.
  ///
  /// `gelu(g) = g · σ(z)` with `z = g · d`, `d = 2√(2/π) · (1 + 0.044715 g²)`, and `silu(z) = z · σ(z)`; d is never small.
  private static func prepareGelu(
    gate: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>, count: Int
  ) {
    for index in 0..<count {
      let factor = 1.595_769_1 * (1 + 0.044715 * gate[index] * gate[index])
      gate[index] *= factor
      up[index] /= factor
    }
  }

  /// `out = gate/2 · (1 + erf(gate/√2)) · up`; the complement keeps small results exact for negative gates.
  private static func geluMultiply(
    gate: UnsafePointer<Float>, up: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int
  ) {
    for index in 0..<count { out[index] = 0.5 * gate[index] * erfcf(-0.707_106_78 * gate[index]) * up[index] }
  }

  private func addToResidual(_ values: UnsafeMutablePointer<Float>) {
    let hidden = workspace.hidden.pointer
    kernels.add(hidden, values, into: hidden, count: rowCount * configuration.hiddenSize)
  }
}

extension ActivationRows {
  /// Makes the int8 form of rows that a step wrote as f32, where products need it.
  func quantizeIfNeeded(rowCount: Int, mode: MatmulMode, kernels: Kernels, pool: WorkerPool) {
    guard mode == .int8 else { return }
    pool.run(rowCount) { row, _ in quantize(rows: row..<row + 1, kernels: kernels) }
  }
}
