/// Measures a ``CostCurve``: short enough to run before the first answer.
package struct CostProbe {
  private let model: any BlockModel
  private let contextLength: Int

  /// A probe of a model with sessions of that many positions.
  package init(model: any BlockModel, contextLength: Int) {
    self.model = model
    self.contextLength = contextLength
  }

  /// Rounds that are enough for a median.
  private static let roundCount = 5
  /// Seconds after which no round is begun.
  private static let budget = 0.6
  /// A pass over 64 rows is measured when one over 32 takes less than this, in seconds.
  private static let cheapPass = 0.06

  /// The medians of up to five rounds; at least one round however slow the model is.
  /// - Throws: what passes throw, and `CancellationError`.
  package func measure() async throws -> CostCurve {
    var counts = CostCurve.rowCounts.filter { $0 <= min(contextLength, 32) }
    let largest = counts.last ?? 1
    let cache = try model.makeCache(contextLength: contextLength)
    let buffer = BlockResultBuffer()
    // The first pass makes room for the largest block and brings weights and code into memory.
    let warm = try await seconds(rowCount: largest, cache: cache, into: buffer)
    if warm < Self.cheapPass, contextLength >= 64 {
      counts = CostCurve.rowCounts
      _ = try await seconds(rowCount: 64, cache: cache, into: buffer)
    }
    var samples = Array(repeating: [Double](), count: counts.count)
    var spent = 0.0
    for round in 0..<Self.roundCount {
      // A round takes about as long as those before it.
      if round > 0, spent + spent / Double(round) > Self.budget { break }
      for (index, count) in counts.enumerated() {
        try Task.checkCancellation()
        let time = try await seconds(rowCount: count, cache: cache, into: buffer)
        samples[index].append(time)
        spent += time
      }
    }
    return CostCurve(
      measured: zip(counts, samples).map { count, times in
        CostCurve.Point(rowCount: count, milliseconds: times.sorted()[(times.count - 1) / 2] * 1e3)
      })
  }

  /// The time of one pass whose rows leave nothing behind.
  private func seconds(rowCount: Int, cache: CacheHandle, into buffer: BlockResultBuffer) async throws
    -> Double
  {
    // Speed does not depend on the tokens, so that any in the vocabulary will do.
    let tokens = (0..<rowCount).map { TokenID($0 * 7919 % model.traits.vocabularyCount) }
    let plan = BlockPlan(tokens: tokens, at: 0, write: .scratch, outputs: OutputRequest(rows: .all))
    // Where decoders run: a pass begins and ends without waking a thread.
    return try await withTaskExecutorPreference(model.preferredExecutor) {
      let start = ContinuousClock.now
      try await model.forward([SequencePass(plan: plan, cache: cache)], into: buffer)
      return max((ContinuousClock.now - start) / .seconds(1), 1e-9)
    }
  }
}
