public import Blockwise

/// Measures the cost curve of a model: the time of one pass over n rows behind d tokens of context.
///
/// This curve decides whether a block method pays: what a token costs beside its neighbours. The logits of all rows are
/// computed unless other work of the head is asked for. Row counts and kinds of work take turns, sample by sample, so that
/// a disturbance of the machine hits all of them alike.
public struct ForwardBenchmark: Sendable {
  /// Row counts to measure.
  public var rowCounts: [Int]
  /// Context lengths to measure.
  public var depths: [Int]
  /// What the output head does; every point is measured with each.
  public var heads: [HeadWork]
  /// Measurements of each point, besides a first one that only warms up.
  public var sampleCount: Int

  /// A benchmark with at least one row count, depth and kind of work of the head.
  /// - Throws: ``BenchmarkError/option(name:found:expected:)``.
  public init(
    rowCounts: [Int], depths: [Int], heads: [HeadWork] = [.logits], sampleCount: Int = 9
  ) throws(BenchmarkError) {
    try BenchmarkError.check("rows", rowCounts, in: 1...4096)
    try BenchmarkError.check("depth", depths, in: 0...1 << 30)
    try BenchmarkError.check("samples", [sampleCount], in: 1...1_000_000)
    if heads.isEmpty { throw .option(name: "head", found: "empty", expected: "at least one kind of work") }
    self.rowCounts = rowCounts
    self.depths = depths
    self.heads = heads
    self.sampleCount = sampleCount
  }

  /// The time of one point of the curve.
  public struct Result: Sendable, Hashable {
    /// Tokens of context.
    public var depth: Int
    /// Rows of the pass.
    public var rowCount: Int
    /// What the output head did.
    public var head: HeadWork
    /// Seconds of the passes.
    public var samples = Samples()
    /// Where their time went, all passes together.
    public var timing = PassTiming()
    /// What the machine's limits allow at best: weights and cached keys and values read once, or products with weights.
    public var rooflineSeconds = 0.0
    /// The share of the instructions' peak that the products with weights reached; nil where the peak is not known.
    public var instructionShare: Double?

    /// Half of the passes took less.
    public var medianSeconds: Double { samples.median }
    /// The fastest pass.
    public var minimumSeconds: Double { samples.minimum }
  }

  /// All points and what they were measured on.
  public struct Report: Sendable, Hashable {
    /// One entry per depth, row count and kind of work of the head, in this order.
    public var results: [Result]
    /// The machine and the model.
    public var setting: BenchmarkSetting

    /// The points without context and with all logits as a cost curve; nil unless 1, 2, 4 … 32 rows are among them.
    public var costCurve: CostCurve? {
      var points: [Int: Double] = [:]
      for result in results where result.depth == 0 && result.head == .logits {
        points[result.rowCount] = result.medianSeconds * 1e3
      }
      guard CostCurve.requiredRowCounts.allSatisfy({ points[$0] != nil }) else { return nil }
      return CostCurve(
        points.sorted { $0.key < $1.key }.map { CostCurve.Point(rowCount: $0.key, milliseconds: $0.value) })
    }
  }

  /// Measures.
  /// - Parameter progress: called with the share of the work that is done.
  /// - Throws: ``BenchmarkError/context(needed:available:)`` when a point does not fit the model's context.
  public func run(
    _ model: LanguageModel, progress: (Double) -> Void = { _ in }
  ) async throws -> Report {
    let needed = (depths.max() ?? 0) + (rowCounts.max() ?? 0)
    guard needed <= model.contextLength else {
      throw BenchmarkError.context(needed: needed, available: model.contextLength)
    }
    let meter = try LimitMeter(model.summary)
    try await meter.calibrate()
    let buffer = BlockResultBuffer()
    var results: [Result] = []
    for (index, depth) in depths.enumerated() {
      var random = RandomTokens(model)
      let cache = try await model.benchmarkCache(depth: depth, random: &random, into: buffer)
      var points = rowCounts.flatMap { rowCount in
        heads.map { Result(depth: depth, rowCount: rowCount, head: $0) }
      }
      for sample in 0...sampleCount {
        try await meter.sampleBandwidth()
        // That drove small models out of the processor's caches: a pass brings them back.
        _ = try await model.network.timedPass(
          random.next(count: 1), depth: depth, cache: cache, into: buffer)
        for point in points.indices {
          let seconds = try await model.network.timedPass(
            random.next(count: points[point].rowCount), depth: depth, head: points[point].head, cache: cache,
            into: buffer)
          guard sample > 0 else { continue }
          points[point].samples.append(seconds)
          points[point].timing += buffer.timing
        }
        try Task.checkCancellation()
        progress((Double(index) + Double(sample) / Double(sampleCount)) / Double(depths.count))
      }
      results += points
    }
    let limits = try await meter.limits()
    let work = PassWork(model)
    for index in results.indices {
      let (depth, rowCount) = (results[index].depth, results[index].rowCount)
      let outputCount = results[index].head.outputCount(rowCount: rowCount)
      results[index].rooflineSeconds = work.roofline(
        limits, depth: depth, rowCount: rowCount, outputCount: outputCount)
      results[index].instructionShare = limits.instructionRate.map {
        work.operationCount(rowCount: rowCount, outputCount: outputCount)
          / max(results[index].medianSeconds, 1e-9) / $0
      }
    }
    return Report(results: results, setting: BenchmarkSetting(model, limits: limits))
  }
}

extension BlockModel {
  /// Seconds of one pass whose keys and values are dropped by the next one.
  func timedPass(
    _ tokens: [TokenID], depth: Int, head: HeadWork = .logits, cache: CacheHandle,
    into buffer: BlockResultBuffer
  ) async throws -> Double {
    let plan = BlockPlan(tokens: tokens, at: depth, write: .scratch, outputs: head.request)
    let pass = [SequencePass(plan: plan, cache: cache)]
    // Where decoders run: a pass begins and ends without waking a thread.
    return try await withTaskExecutorPreference(preferredExecutor) {
      let start = ContinuousClock.now
      try await forward(pass, into: buffer)
      return (ContinuousClock.now - start) / .seconds(1)
    }
  }
}
