public import Blockwise
public import BlockwiseKernels

/// Measures the cost curve of a model: the time of one pass over n rows behind d tokens of context.
///
/// This curve decides whether a block method pays: what a token costs beside its neighbours. The logits of all rows are
/// computed, as speculation and diffusion need them. Row counts take turns, sample by sample, so that a disturbance of
/// the machine hits all of them alike.
public struct ForwardBenchmark: Sendable {
  /// Row counts to measure.
  public var rowCounts: [Int]
  /// Context lengths to measure.
  public var depths: [Int]
  /// Measurements of each point, besides a first one that only warms up.
  public var sampleCount: Int

  /// A benchmark with at least one row count and depth.
  /// - Throws: ``BenchmarkError/option(name:found:expected:)``.
  public init(rowCounts: [Int], depths: [Int], sampleCount: Int = 9) throws(BenchmarkError) {
    if let rows = rowCounts.first(where: { !(1...4096).contains($0) }) {
      throw .option(name: "rows", found: "\(rows)", expected: "1 to 4096")
    }
    if let depth = depths.first(where: { $0 < 0 }) {
      throw .option(name: "depth", found: "\(depth)", expected: "at least 0")
    }
    if rowCounts.isEmpty { throw .option(name: "rows", found: "nothing", expected: "at least one number") }
    if depths.isEmpty { throw .option(name: "depth", found: "nothing", expected: "at least one number") }
    if let depth = depths.first(where: { !(0...1 << 30).contains($0) }) {
      throw .option(name: "depth", found: "\(depth)", expected: "0…\(1 << 30)")
    }
    if let rows = rowCounts.first(where: { !(1...1 << 20).contains($0) }) {
      throw .option(name: "rows", found: "\(rows)", expected: "1…\(1 << 20)")
    }
    if sampleCount < 1 { throw .option(name: "samples", found: "\(sampleCount)", expected: "at least 1") }
    self.rowCounts = rowCounts
    self.depths = depths
    self.sampleCount = sampleCount
  }

  /// The time of one point of the curve.
  public struct Result: Sendable, Hashable {
    /// Tokens of context.
    public var depth: Int
    /// Rows of the pass.
    public var rowCount: Int
    /// Half of the passes took less.
    public var medianSeconds: Double
    /// The fastest pass.
    public var minimumSeconds: Double
    /// What the machine's limits allow at best, from weights and products alone.
    public var rooflineSeconds: Double
  }

  /// All points and the limits that were measured between them.
  public struct Report: Sendable, Hashable {
    /// One entry per depth and row count, depth by depth.
    public var results: [Result]
    /// The best that the machine showed before, between and after the passes.
    public var limits: MachineLimits
    /// Bytes of weights that one pass reads.
    public var weightByteCount: Int
    /// Weights that each row is multiplied with; of a mixture all experts count, though a row uses some.
    public var weightCount: Int
    /// Threads of a pass.
    public var threadCount: Int
    /// The instruction set.
    public var kernelVariant: KernelVariant
    /// Whether quantised weights met activations rounded to int8.
    public var computesInt8: Bool
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
    var limits = try await meter.measure()
    let (byteCount, weightCount) = Self.passWeights(of: model)
    var results: [Result] = []
    let buffer = BlockResultBuffer()
    for (index, depth) in depths.enumerated() {
      let cache = try model.network.makeCache(contextLength: model.contextLength)
      var random = RandomTokens(vocabularyCount: model.traits.vocabularyCount)
      for start in stride(from: 0, to: depth, by: 256) {
        let tokens = random.next(count: min(256, depth - start))
        let plan = BlockPlan(tokens: tokens, at: start, outputs: OutputRequest(rows: .none))
        try await model.network.forward([SequencePass(plan: plan, cache: cache)], into: buffer)
      }
      var samples = Array(repeating: [Double](), count: rowCounts.count)
      for sample in 0...sampleCount {
        for (point, rowCount) in rowCounts.enumerated() {
          let plan = BlockPlan(
            tokens: random.next(count: rowCount), at: depth, write: .scratch,
            outputs: OutputRequest(rows: .all))
          let pass = [SequencePass(plan: plan, cache: cache)]
          let start = ContinuousClock.now
          try await model.network.forward(pass, into: buffer)
          let seconds = (ContinuousClock.now - start) / .seconds(1)
          if sample > 0 { samples[point].append(seconds) }
        }
        try Task.checkCancellation()
        progress((Double(index) + Double(sample) / Double(sampleCount)) / Double(depths.count))
      }
      limits = limits.merged(with: try await meter.measure())
      for (point, rowCount) in rowCounts.enumerated() {
        let sorted = samples[point].sorted()
        results.append(
          Result(
            depth: depth, rowCount: rowCount, medianSeconds: Self.median(sorted),
            minimumSeconds: sorted.first ?? 0, rooflineSeconds: 0))
      }
    }
    for index in results.indices {
      let operations = 2 * Double(weightCount) * Double(results[index].rowCount)
      results[index].rooflineSeconds = limits.roofline(byteCount: byteCount, operationCount: operations)
    }
    return Report(
      results: results, limits: limits, weightByteCount: byteCount, weightCount: weightCount,
      threadCount: model.summary.threadCount, kernelVariant: model.summary.kernelVariant,
      computesInt8: model.summary.computesInt8)
  }

  /// The middle of sorted numbers.
  package static func median(_ sorted: [Double]) -> Double {
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  /// What a pass reads and multiplies: all weights, but not an embedding table that is only looked up.
  private static func passWeights(of model: LanguageModel) -> (byteCount: Int, weightCount: Int) {
    let summary = model.summary
    guard let network = model.network as? DecoderModel, !network.configuration.tiesEmbeddings else {
      return (summary.weightByteCount, summary.parameterCount)
    }
    let lookedUp = network.configuration.vocabularyCount * network.configuration.hiddenSize
    let used = summary.parameterCount - lookedUp
    // The table is taken to be stored as the average weight is.
    let share = Double(used) / Double(max(1, summary.parameterCount))
    return (Int(Double(summary.weightByteCount) * share), used)
  }
}

/// Why a benchmark cannot run.
public enum BenchmarkError: Error, Sendable, Hashable, CustomStringConvertible {
  /// A parameter out of its range.
  case option(name: String, found: String, expected: String)
  /// Depth and rows do not fit the context.
  case context(needed: Int, available: Int)

  /// A sentence with what was found and what was expected.
  public var description: String {
    switch self {
    case .option(let name, let found, let expected): "\(name) is \(found), expected \(expected)"
    case .context(let needed, let available):
      "depth and rows need \(needed) positions and the context has \(available)"
    }
  }
}

/// Measures the machine's limits beside the model, with as many threads and the same kernels.
private struct LimitMeter: Sendable {
  let thread: EngineThread
  let pool: WorkerPool
  let kernels: Kernels
  let format: WeightFormat
  let mode: MatmulMode

  init(_ summary: ModelSummary) throws {
    thread = try EngineThread()
    pool = WorkerPool(threadCount: summary.threadCount)
    kernels = Kernels(summary.kernelVariant)
    // The format that most weights have.
    format = summary.formats.max { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }?.key ?? .f32
    mode = summary.computesInt8 ? .int8 : .f32
  }

  func measure() async throws -> MachineLimits {
    try await thread.run {
      try MachineLimits.measure(kernels: kernels, format: format, mode: mode, pool: pool)
    }
  }
}

/// Tokens that cost the same as any others: speed does not depend on their values.
private struct RandomTokens {
  var state: UInt32 = 7
  let vocabularyCount: Int

  init(vocabularyCount: Int) { self.vocabularyCount = vocabularyCount }

  mutating func next(count: Int) -> [TokenID] {
    (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return TokenID(Int(state >> 8) % vocabularyCount)
    }
  }
}
