internal import BlockwiseFiles
internal import BlockwiseKernels
internal import Foundation

/// One pass: the rows of all sequences through all layers.
///
/// Rows are flattened over the sequences; every step treats a row by itself, except attention, which reads the keys
/// that the row may see in the order of their positions. That is why a row's result does not depend on its company.
struct DecoderPass {
  /// One sequence's share of the pass. A class, as every step of every layer takes it up anew.
  final class Sequence {
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

  let model: DecoderModel
  let sequences: [Sequence]
  let rowCount: Int

  var configuration: DecoderConfiguration { model.configuration }
  var workspace: DecoderWorkspace { model.workspace }
  var kernels: Kernels { model.kernels }
  var pool: WorkerPool { model.pool }

  func run(into result: BlockResultBuffer) {
    workspace.timing = PassTiming()
    embed()
    record(.embedding, into: result)
    let layers = model.weights.layers
    if configuration.readsPairs {
      pair(layers[0])
    } else if let first = layers.first {
      step(.normalize(first.attentionNorm))
    }
    for index in layers.indices {
      attention(index, layers[index])
      feedForward(layers[index], next: index + 1 < layers.count ? layers[index + 1].attentionNorm : nil)
      record(.layer(index), into: result)
    }
    recordFinal(into: result)
    workspace.timing.head += seconds { head(into: result) }
  }

  /// The seconds that a step takes; reading the clock costs some tens of nanoseconds.
  private func seconds(of step: () -> Void) -> Double {
    let start = ContinuousClock.now
    step()
    return (ContinuousClock.now - start).inSeconds
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

  /// The first attention's input where rows are pairs: the norms of embedding and vector side by side.
  private func pair(_ layer: DecoderWeights.Layer) {
    guard let paired = workspace.paired, let vectorNorm = layer.vectorNorm else { return }
    let size = configuration.hiddenSize
    for sequence in sequences {
      for row in 0..<sequence.plan.rowCount {
        let target = paired.row(sequence.firstRow + row)
        model.weights.embedding.decodeRow(sequence.plan.tokens[row].index, into: target)
        norm(layer.attentionNorm).apply(
          to: target, stride: size, rowCount: 1, columnCount: size, into: target, outputStride: size)
        norm(vectorNorm).apply(
          to: workspace.hidden.pointer + (sequence.firstRow + row) * size, stride: size, rowCount: 1,
          columnCount: size, into: target + size, outputStride: size)
      }
    }
    if model.mode == .int8 { round(paired, rowCount: rowCount) }
  }

  // MARK: Attention

  /// From the normed residual stream to that of the feed-forward network.
  private func attention(_ index: Int, _ layer: DecoderWeights.Layer) {
    project(
      layer.queryKeyValue, input: workspace.paired ?? workspace.normed, rowCount: rowCount,
      output: workspace.queryKeyValue.pointer, stride: configuration.queryKeyValueSize)
    for sequence in sequences { prepareRows(of: sequence, layerIndex: index, layer) }
    workspace.timing.attention += seconds {
      for sequence in sequences { attend(sequence, layerIndex: index) }
    }
    if model.mode == .int8 {
      round(workspace.attended, rowCount: rowCount)
    }
    project(
      layer.attentionOutput, input: workspace.attended, rowCount: rowCount,
      output: workspace.projected.pointer, stride: configuration.hiddenSize)
    // In parallel the feed-forward network reads the residual stream as attention found it.
    if configuration.hasParallelResidual { step(.normalize(layer.feedForwardNorm)) }
    step(
      .add(
        postNorm: layer.attentionPostNorm,
        norm: configuration.hasParallelResidual ? nil : layer.feedForwardNorm))
  }

  /// Norms and rotates q and k, and writes k and v to the cache in its format: everybody reads the rounded values.
  private func prepareRows(of sequence: Sequence, layerIndex: Int, _ layer: DecoderWeights.Layer) {
    let rowCount = sequence.plan.rowCount
    let rowsPerItem = max(1, min(8, rowCount / pool.threadCount))
    let hasWindow = configuration.windows[layerIndex] != nil
    let table = hasWindow ? workspace.windowRotary ?? workspace.rotary : workspace.rotary
    let isRotated = configuration.rotaryLayers?[layerIndex] ?? true
    sequence.plan.positions.withUnsafeBufferPointer { positions in
      sequence.slots.withUnsafeBufferPointer { slots in
        sequence.pages.withUnsafeBufferPointer { pages in
          guard let positions = positions.baseAddress, let slots = slots.baseAddress,
            let pages = pages.baseAddress
          else { return }
          let job = KeyValueJob(
            kernels: kernels, rowCount: rowCount, rowsPerItem: rowsPerItem,
            rows: workspace.queryKeyValue.pointer + sequence.firstRow * configuration.queryKeyValueSize,
            rowSize: configuration.queryKeyValueSize, querySize: configuration.querySize,
            keyValueSize: configuration.keyValueSize, headCount: configuration.headCount,
            keyValueHeadCount: configuration.keyValueHeadCount, dimension: configuration.headDimension,
            queryNorm: layer.queryNorm.map(norm), keyNorm: layer.keyNorm.map(norm),
            rotation: isRotated
              ? .init(
                cosines: table.cosines.pointer, sines: table.sines.pointer, pairCount: table.pairCount,
                layout: configuration.rotary.layout == .half ? .halves : .pairs) : nil,
            positions: positions, slots: slots, pages: pages, layout: model.cacheLayout, layer: layerIndex)
          pool.run(
            (rowCount + rowsPerItem - 1) / rowsPerItem,
            nanoseconds: rowCount * configuration.queryKeyValueSize,
            job: job)
        }
      }
    }
  }

  private func attend(_ sequence: Sequence, layerIndex: Int) {
    let dimension = configuration.headDimension
    let keys = sequence.visible[sequence.visibleOfLayer[layerIndex]]
    let nanoseconds = sequence.plan.rowCount * keys.maximumKeyCount * configuration.querySize / 16
    // Where one thread does it all, heads and rows that share keys are not parted.
    let split = AttentionSplit(
      keyValueHeadCount: configuration.keyValueHeadCount, rowCount: sequence.plan.rowCount,
      queryCount: configuration.headCount / configuration.keyValueHeadCount,
      threadCount: pool.isShared(nanoseconds: nanoseconds) ? pool.threadCount : 1)
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
            split.itemCount, nanoseconds: nanoseconds,
            job: AttentionJob(
              kernels: kernels, split: split, block: block, cacheLayout: model.cacheLayout,
              layerIndex: layerIndex, scratchCount: workspace.scoreCapacity))
        }
      }
    }
  }

  // MARK: Feed-forward

  private func feedForward(_ layer: DecoderWeights.Layer, next: DecoderWeights.Norm?) {
    switch layer.feedForward {
    case .dense(let gateUp, let down):
      applyGated(
        gateUp: gateUp, down: down, input: workspace.normed, rowCount: rowCount,
        gateUpOutput: workspace.gateUp.pointer, inner: workspace.inner, output: workspace.projected.pointer)
    case .mixture(let router, let experts):
      mix(router: router, experts: experts)
    }
    step(.add(postNorm: layer.feedForwardPostNorm, norm: next))
  }

  /// `down(act(gate x) · up x)`, or `down(act(up x))` without a gate; `input` is quantised already.
  func applyGated(
    gateUp: DecoderWeights.Projection, down: DecoderWeights.Projection, input: ActivationRows, rowCount: Int,
    gateUpOutput: UnsafeMutablePointer<Float>, inner: ActivationRows, output: UnsafeMutablePointer<Float>
  ) {
    project(gateUp, input: input, rowCount: rowCount, output: gateUpOutput, stride: 2 * inner.columnCount)
    let job = GateJob(
      kernels: kernels, gateUp: gateUpOutput, inner: inner, hasGate: configuration.hasGate,
      activation: configuration.activation, isRounded: model.mode == .int8)
    pool.run(rowCount * job.partCount, nanoseconds: rowCount * job.nanosecondsPerRow, job: job)
    project(down, input: inner, rowCount: rowCount, output: output, stride: configuration.hiddenSize)
  }

  // MARK: Steps

  /// What happens to the residual stream between two projections.
  private enum Step {
    /// Its norm becomes the next input.
    case normalize(DecoderWeights.Norm)
    /// A projection is added to it, and the norm of the sum becomes the next input.
    case add(postNorm: DecoderWeights.Norm?, norm: DecoderWeights.Norm?)
  }

  private func step(_ step: Step) {
    let size = configuration.hiddenSize
    var job = ResidualJob(
      kernels: kernels, rowCount: rowCount, rowsPerItem: max(1, min(4, rowCount / pool.threadCount)),
      size: size,
      hidden: workspace.hidden.pointer, projected: nil, postNorm: nil, norm: nil, normed: workspace.normed,
      isRounded: model.mode == .int8)
    switch step {
    case .normalize(let norm): job.norm = self.norm(norm)
    case .add(let postNorm, let norm):
      job.projected = workspace.projected.pointer
      job.postNorm = postNorm.map(self.norm)
      job.norm = norm.map(self.norm)
    }
    pool.run((rowCount + job.rowsPerItem - 1) / job.rowsPerItem, nanoseconds: rowCount * size, job: job)
  }

  /// A norm as the jobs of a pass apply it.
  func norm(_ norm: DecoderWeights.Norm) -> RowNorm {
    RowNorm(
      kernels: kernels, weight: norm.weight.pointer, bias: norm.bias?.pointer,
      epsilon: configuration.normEpsilon)
  }

  /// A product of all rows; parts lie side by side in the output.
  func project(
    _ projection: DecoderWeights.Projection, input: ActivationRows, rowCount: Int,
    output: UnsafeMutablePointer<Float>, stride: Int
  ) {
    workspace.timing.weights += seconds {
      kernels.matmul(
        projection.parts, input: input, rowCount: rowCount, output: output, outputStride: stride,
        bias: projection.bias.map { UnsafePointer($0.pointer) }, mode: model.mode, pool: pool)
    }
  }

  /// Makes the int8 form of rows.
  func round(_ rows: ActivationRows, rowCount: Int) {
    pool.run(
      rowCount, nanoseconds: rowCount * rows.columnCount / 4, job: RoundingJob(rows: rows, kernels: kernels))
  }
}
