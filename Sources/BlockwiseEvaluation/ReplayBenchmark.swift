public import Blockwise

/// Replays recorded passes on another model: what a way of decoding would cost there, at the acceptance that the recorded
/// model has. Files take turns, answer by answer.
public struct ReplayBenchmark: Sendable {
  /// Names of the recordings with their answers; the same number of answers each.
  public var recordings: [(name: String, traces: [PassTrace])]
  /// How often everything is replayed, besides once to warm up.
  public var sampleCount: Int

  /// A benchmark.
  /// - Throws: ``BenchmarkError/option(name:found:expected:)``.
  public init(recordings: [(name: String, traces: [PassTrace])], sampleCount: Int = 3) throws(BenchmarkError)
  {
    try BenchmarkError.check("samples", [sampleCount], in: 1...1_000_000)
    if recordings.isEmpty { throw .option(name: "replay", found: "empty", expected: "at least one file") }
    for recording in recordings where recording.traces.count != recordings[0].traces.count {
      throw .option(
        name: "replay", found: "\(recording.traces.count) answers in \(recording.name)",
        expected: "\(recordings[0].traces.count), as in \(recordings[0].name)")
    }
    self.recordings = recordings
    self.sampleCount = sampleCount
  }

  /// One recording.
  public struct Result: Sendable, Hashable {
    /// The recording.
    public var name: String
    /// How it was decoded.
    public var method: String
    /// New tokens of all answers.
    public var tokenCount: Int
    /// Passes.
    public var passCount: Int
    /// Rows of them.
    public var rowCount: Int
    /// Seconds of all passes, one value per sample.
    public var seconds = Samples()
  }

  /// Measures.
  /// - Throws: ``BenchmarkError/context(needed:available:)`` where a pass does not fit the model.
  public func run(
    _ model: LanguageModel, progress: (Double) -> Void = { _ in }
  ) async throws -> [Result] {
    let shapes = recordings.flatMap { $0.traces.flatMap(\.passes) }
    let depth = shapes.map(\.contextCount).max() ?? 0
    let needed = shapes.map { $0.contextCount + $0.rowCount }.max() ?? 0
    guard needed <= model.contextLength else {
      throw BenchmarkError.context(needed: needed, available: model.contextLength)
    }
    var random = RandomTokens(model)
    let buffer = BlockResultBuffer()
    let deepest = try await model.benchmarkCache(depth: depth, random: &random, into: buffer)
    var caches: [Int: CacheHandle] = [:]
    func cache(_ depth: Int) throws -> CacheHandle {
      if let known = caches[depth] { return known }
      // Every fork has pages of its own once it was written to.
      if caches.count >= Self.forkLimit { caches.removeAll() }
      let fork = try deepest.fork()
      try fork.truncate(to: depth)
      caches[depth] = fork
      return fork
    }
    var results = recordings.map { recording in
      Result(
        name: recording.name, method: recording.traces.first?.method ?? "",
        tokenCount: recording.traces.reduce(0) { $0 + $1.tokenCount },
        passCount: recording.traces.reduce(0) { $0 + $1.passes.count },
        rowCount: recording.traces.reduce(0) { $0 + $1.passes.reduce(0) { $0 + $1.rowCount } })
    }
    let longest = recordings.map(\.traces.count).max() ?? 0
    for sample in 0...sampleCount {
      var seconds = [Double](repeating: 0, count: recordings.count)
      for answer in 0..<longest {
        try Task.checkCancellation()
        progress((Double(sample) + Double(answer) / Double(longest)) / Double(sampleCount + 1))
        for (index, recording) in recordings.enumerated() where answer < recording.traces.count {
          for pass in recording.traces[answer].passes {
            seconds[index] += try await replay(
              pass, model, try cache(pass.contextCount), random.next(count: pass.rowCount), buffer)
          }
        }
      }
      if sample > 0 { for index in results.indices { results[index].seconds.append(seconds[index]) } }
    }
    return results
  }

  /// Most caches at the same time.
  private static let forkLimit = 32

  private func replay(
    _ pass: PassShape, _ model: LanguageModel, _ cache: CacheHandle, _ tokens: [TokenID],
    _ buffer: BlockResultBuffer
  ) async throws -> Double {
    let outputs = OutputRequest(
      rows: .some(Array(pass.rowCount - pass.outputCount..<pass.rowCount)), detail: .statistics)
    let plan = BlockPlan(
      tokens: tokens, at: pass.contextCount, write: .scratch, visibility: .bidirectional, outputs: outputs)
    let network = model.network
    return try await withTaskExecutorPreference(network.preferredExecutor) {
      let start = ContinuousClock.now
      try await network.forward([SequencePass(plan: plan, cache: cache)], into: buffer)
      return (ContinuousClock.now - start) / .seconds(1)
    }
  }
}
