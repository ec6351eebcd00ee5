public import BlockwiseFiles
internal import BlockwiseKernels
internal import Foundation

/// A model without weights whose conditional distributions are known exactly: decoders are tested against it.
///
/// Every row's logits are a function of what the row sees, in the order of positions, so that visibility, trees,
/// canvases and rollback behave as in a network.
public final class TableModel: BlockModel {
  /// A key that a row sees: its position and token.
  public typealias SeenToken = (position: Int, token: TokenID)

  /// What the model is able to do.
  public let traits: ModelTraits
  private let logits: @Sendable (_ position: Int, _ seen: [SeenToken]) -> [Float]
  /// Passes and rows so far.
  private let counter = PassCounter()

  /// A model over a vocabulary.
  /// - Parameter logits: the logits of a row at a position that sees the given tokens (itself last among equals in
  ///   position); one per vocabulary entry.
  public init(
    vocabularyCount: Int, contextLength: Int = 1024, maskToken: TokenID? = nil,
    logitAlignment: ModelTraits.LogitAlignment = .previous, contextMask: ModelTraits.ContextMask = .causal,
    logits: @escaping @Sendable (_ position: Int, _ seen: [SeenToken]) -> [Float]
  ) {
    traits = ModelTraits(
      family: "table", vocabularyCount: vocabularyCount, contextLength: contextLength, hiddenSize: 0,
      layerCount: 0,
      maskToken: maskToken, logitAlignment: logitAlignment, contextMask: contextMask)
    self.logits = logits
  }

  /// A Markov chain: the logits after each token are a row of the matrix.
  public static func markov(_ matrix: [[Float]], contextLength: Int = 1024) -> TableModel {
    TableModel(vocabularyCount: matrix.count, contextLength: contextLength) { _, seen in
      matrix[seen[seen.count - 1].token.index]
    }
  }

  /// Passes so far, and rows in them.
  public var passCounts: (passes: Int, rows: Int) { counter.counts }

  /// A new empty cache, which stores tokens and positions only.
  public func makeCache(contextLength: Int?) throws -> CacheHandle {
    let length = contextLength ?? traits.contextLength
    guard (1...traits.contextLength).contains(length) else {
      throw ModelError.contextLength(requested: length, maximum: traits.contextLength)
    }
    return CacheHandle(layout: Self.layout, contextLength: length)
  }

  private static let layout = CacheLayout(layerCount: 0, headCount: 0, headDimension: 1, format: .f32)

  /// One pass; see ``BlockModel/forward(_:into:)``.
  public func forward(_ batch: [SequencePass], into result: BlockResultBuffer) async throws {
    let start = ContinuousClock.now
    // Everything is checked before the first cache changes.
    var lent: [(handle: CacheHandle, cache: SequenceCache)] = []
    defer { for (handle, cache) in lent { handle.giveBack(cache) } }
    var layouts: [PassLayout] = []
    for pass in batch {
      guard pass.cache.layout == Self.layout else {
        throw PlanError.cache("a cache of \(pass.cache.layout) in a model without weights")
      }
      guard !lent.contains(where: { $0.handle === pass.cache }) else {
        throw PlanError.cache("the same cache twice in one batch")
      }
      guard pass.plan.outputs.taps.isEmpty else {
        throw PlanError.outputs("a table model has no hidden states")
      }
      lent.append((pass.cache, try pass.cache.lend()))
      layouts.append(
        try PassLayout(
          plan: pass.plan, cache: lent[lent.count - 1].cache, vocabularyCount: traits.vocabularyCount,
          layerCount: 0, hiddenSize: 0))
    }
    do throws(AllocationError) {
      try result.prepare(batch.lazy.map(\.plan), vocabularyCount: traits.vocabularyCount)
    } catch {
      throw CacheError.outOfMemory(byteCount: error.byteCount ?? .max)
    }
    for (index, pass) in batch.enumerated() {
      let visibility = layouts[index].visibilityPass(plan: pass.plan, cache: lent[index].cache)
      layouts[index].apply(pass.plan, to: &lent[index].cache)
      fill(&result.entries[index], pass.plan, visibility, tokens: lent[index].cache.tokens)
    }
    counter.add(rows: batch.reduce(0) { $0 + $1.plan.rowCount })
    result.timing = PassTiming()
    result.timing.total = (ContinuousClock.now - start).inSeconds
  }

  private func fill(
    _ entry: inout BlockResultBuffer.Entry, _ plan: BlockPlan, _ pass: VisibleKeys.Pass, tokens: [TokenID]
  ) {
    var keys = VisibleKeys()
    keys.fill(pass, window: nil, selection: nil)
    for (output, row) in entry.rows.enumerated() {
      var seen: [SeenToken] = []
      for run in keys.runs[keys.bounds[row]..<keys.bounds[row + 1]] {
        for slot in Int(run.start)..<Int(run.start + run.count) {
          seen.append((Int(pass.slotPositions[slot]), tokens[slot]))
        }
      }
      var values = logits(Int(plan.positions[row]), seen)
      precondition(
        values.count == traits.vocabularyCount, "\(values.count) logits of \(traits.vocabularyCount)")
      if let allowed = plan.outputs.allowed(output) {
        for index in values.indices where !allowed.contains(TokenID(index)) { values[index] = -.infinity }
      }
      entry.statistics.append(Self.statistics(values))
      guard let target = entry.logits else { continue }
      for (index, value) in values.enumerated() { target[output * values.count + index] = value }
    }
  }

  private static func statistics(_ logits: [Float]) -> RowStatistics {
    if logits.contains(where: { $0.isNaN || $0 == .infinity }) { return .undefined }
    let order = logits.indices.sorted { (-logits[$0], $0) < (-logits[$1], $1) }
    let top = order[0]
    let second = order.count > 1 ? order[1] : top
    let sum = logits.reduce(0.0) { $0 + exp(Double($1 - logits[top])) }
    let logSum = Double(logits[top]) + log(sum)
    let entropy = logits.reduce(0.0) { total, logit in
      let logProbability = Double(logit) - logSum
      return logProbability == -.infinity ? total : total - exp(logProbability) * logProbability
    }
    return RowStatistics(
      top: TokenID(top), topLogit: logits[top], second: TokenID(second), secondLogit: logits[second],
      logSumExp: Float(logSum), entropy: Float(entropy))
  }
}
