public import Blockwise

/// Measures how fast prompts are read: passes over their rows, with logits of the last row only.
public struct PrefillBenchmark: Sendable {
  /// Lengths of prompts.
  public var tokenCounts: [Int]
  /// Rows of one pass.
  public var chunkSizes: [Int]
  /// Measurements of each point, besides a first one that only warms up.
  public var sampleCount: Int

  /// The rows of a pass that decoders take.
  public static let defaultChunkSize = AutoregressiveOptions().prefillRowCount

  /// A benchmark with at least one length.
  /// - Throws: ``BenchmarkError/option(name:found:expected:)``.
  public init(
    tokenCounts: [Int], chunkSizes: [Int] = [PrefillBenchmark.defaultChunkSize], sampleCount: Int = 5
  ) throws(BenchmarkError) {
    try BenchmarkError.check("tokens", tokenCounts, in: 1...1 << 30)
    try BenchmarkError.check("chunk", chunkSizes, in: 1...1 << 16)
    try BenchmarkError.check("samples", [sampleCount], in: 1...1_000_000)
    self.tokenCounts = tokenCounts
    self.chunkSizes = chunkSizes
    self.sampleCount = sampleCount
  }

  /// One length of prompt in passes of one size.
  public struct Result: Sendable, Hashable {
    /// Tokens of the prompt.
    public var tokenCount: Int
    /// Rows of a pass; the last one may have fewer.
    public var chunkSize: Int
    /// Seconds of reading the prompt.
    public var samples = Samples()
    /// Where the time of all measurements together went.
    public var timing = PassTiming()
    /// What the machine's limits allow at best, pass by pass.
    public var rooflineSeconds = 0.0

    /// Tokens per second: the median.
    public var tokensPerSecond: Double { Double(tokenCount) / max(samples.median, 1e-9) }
    /// Tokens per second of the fastest measurement.
    public var bestTokensPerSecond: Double { Double(tokenCount) / max(samples.minimum, 1e-9) }
  }

  /// All points and what they were measured on.
  public struct Report: Sendable, Hashable {
    /// Length by length, the sizes of passes in order.
    public var results: [Result]
    /// The machine and the model.
    public var setting: BenchmarkSetting
  }

  /// Measures.
  /// - Parameter progress: called with the share of the work that is done.
  /// - Throws: ``BenchmarkError/context(needed:available:)`` when a prompt does not fit the model's context.
  public func run(
    _ model: LanguageModel, progress: (Double) -> Void = { _ in }
  ) async throws -> Report {
    let needed = tokenCounts.max() ?? 0
    guard needed <= model.contextLength else {
      throw BenchmarkError.context(needed: needed, available: model.contextLength)
    }
    let meter = try LimitMeter(model.summary)
    try await meter.calibrate()
    let work = PassWork(model)
    let buffer = BlockResultBuffer()
    var random = RandomTokens(model)
    var results: [Result] = []
    for (index, tokenCount) in tokenCounts.enumerated() {
      let prompt = random.next(count: tokenCount)
      let cache = try model.network.makeCache(contextLength: model.contextLength)
      var points = chunkSizes.map { Result(tokenCount: tokenCount, chunkSize: $0) }
      for sample in 0...sampleCount {
        for point in points.indices {
          try cache.truncate(to: 0)
          var timing = PassTiming()
          let start = ContinuousClock.now
          for chunk in chunks(of: points[point]) {
            let isLast = chunk.upperBound == tokenCount
            let plan = BlockPlan(
              tokens: prompt[chunk], at: chunk.lowerBound,
              outputs: OutputRequest(rows: isLast ? .last : .none))
            try await model.network.forward([SequencePass(plan: plan, cache: cache)], into: buffer)
            timing += buffer.timing
            try Task.checkCancellation()
          }
          guard sample > 0 else { continue }
          points[point].samples.append((ContinuousClock.now - start) / .seconds(1))
          points[point].timing += timing
        }
        try await meter.sampleBandwidth()
        progress((Double(index) + Double(sample) / Double(sampleCount)) / Double(tokenCounts.count))
      }
      results += points
    }
    let limits = try await meter.limits()
    for index in results.indices {
      results[index].rooflineSeconds = chunks(of: results[index]).reduce(0) { sum, chunk in
        let outputs = chunk.upperBound == results[index].tokenCount ? 1 : 0
        return sum
          + work.roofline(
            limits, depth: chunk.lowerBound, rowCount: chunk.count, outputCount: outputs)
      }
    }
    return Report(results: results, setting: BenchmarkSetting(model, limits: limits))
  }

  /// The passes over a prompt.
  private func chunks(of point: Result) -> [Range<Int>] {
    stride(from: 0, to: point.tokenCount, by: point.chunkSize).map {
      $0..<min($0 + point.chunkSize, point.tokenCount)
    }
  }
}
