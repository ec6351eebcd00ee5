public import Blockwise

/// Measures decoding as a user meets it: through a session, sampler and detokenizer included, beside the time of the
/// single-row pass that it rests on.
///
/// Methods and passes take turns, sample by sample, so that a disturbance of the machine hits all of them alike.
public struct DecodeBenchmark: Sendable {
  /// Context lengths to begin at.
  public var depths: [Int]
  /// Tokens of one measurement.
  public var tokenCount: Int
  /// Measurements of each method and depth, besides a first one that only warms up.
  public var sampleCount: Int
  /// The methods to compare.
  public var methods: [GenerationOptions.Method] = [.auto]
  /// Ways of filling masks to compare with them.
  public var recipes: [String] = []

  /// A benchmark with at least one depth.
  /// - Throws: ``BenchmarkError/option(name:found:expected:)``.
  public init(depths: [Int], tokenCount: Int = 64, sampleCount: Int = 5) throws(BenchmarkError) {
    try BenchmarkError.check("depth", depths, in: 0...1 << 30)
    try BenchmarkError.check("tokens", [tokenCount], in: 1...1 << 20)
    try BenchmarkError.check("samples", [sampleCount], in: 1...1_000_000)
    self.depths = depths
    self.tokenCount = tokenCount
    self.sampleCount = sampleCount
  }

  /// One method at one depth.
  public struct Result: Sendable, Hashable {
    /// The method's name as the command line spells it.
    public var method: String
    /// Its parameters in text form; empty where it has none.
    public var recipe: String
    /// Tokens of context before the first one that is counted.
    public var depth: Int
    /// Tokens of one measurement, those that the last pass over the prompt brought not counted.
    public var tokenCount: Int
    /// Passes and tokens of all measurements together.
    public var forwardCount = 0
    /// Tokens that those passes brought.
    public var committedCount = 0
    /// Seconds per token, one value per measurement.
    public var secondsPerToken = Samples()
    /// Where the time of all measurements together went.
    public var split = TimeSplit()
    /// Seconds of passes over one row in the middle of the decoded stretch.
    public var singleRowPass = Samples()
    /// The context before those rows.
    public var singleRowDepth: Int
    /// What the machine's limits allow a single-row pass there at best.
    public var rooflineSeconds = 0.0

    /// Tokens per second: the median.
    public var tokensPerSecond: Double { 1 / max(secondsPerToken.median, 1e-9) }
    /// Tokens per second of the fastest measurement.
    public var bestTokensPerSecond: Double { 1 / max(secondsPerToken.minimum, 1e-9) }
    /// Decoding's speed in units of what one row per token and nothing else would give: below 1 for plain decoding.
    public var shareOfPass: Double { singleRowPass.median / max(secondsPerToken.median, 1e-9) }
    /// Tokens that a pass brought on average.
    public var tokensPerForward: Double { Double(committedCount) / Double(max(1, forwardCount)) }
  }

  /// All methods and depths, and what they were measured on.
  public struct Report: Sendable, Hashable {
    /// Depth by depth, the methods in order.
    public var results: [Result]
    /// The machine and the model.
    public var setting: BenchmarkSetting
  }

  /// Measures.
  /// - Parameters:
  ///   - sampling: how tokens are chosen.
  ///   - progress: called with the share of the work that is done.
  /// - Throws: ``BenchmarkError/context(needed:available:)`` when a stretch does not fit the model's context,
  ///   ``DecodingError`` for a model that the methods cannot decode.
  public func run(
    _ model: LanguageModel, sampling: SamplingOptions, progress: (Double) -> Void = { _ in }
  ) async throws -> Report {
    // A prompt has at least one token, and its last pass brings a token before those that are counted.
    let needed = max(1, depths.max() ?? 0) + tokenCount + 1
    guard needed <= model.contextLength else {
      throw BenchmarkError.context(needed: needed, available: model.contextLength)
    }
    let ways =
      methods.map { GenerationOptions(method: $0) }
      + recipes.map { recipe in
        var options = GenerationOptions(method: .diffusion)
        options.recipe = recipe
        return options
      }
    let decisions = try ways.map { try model.decision(for: $0) }
    let meter = try LimitMeter(model.summary)
    try await meter.calibrate()
    var results: [Result] = []
    for (index, depth) in depths.enumerated() {
      var random = RandomTokens(model)
      let buffer = BlockResultBuffer()
      let middle = depth + tokenCount / 2
      let cache = try await model.benchmarkCache(depth: middle, random: &random, into: buffer)
      let prompt = random.next(count: max(1, depth))
      let carriesToken =
        switch model.traits.contextMask {
        case .contextCausal: true
        case .blockCausal(let size): model.traits.logitAlignment == .previous && prompt.count % size == 0
        case .causal, .bidirectional: false
        }
      let sessions = try ways.map { _ in try model.session() }
      var rows = decisions.map {
        Result(
          method: $0.method, recipe: $0.recipe, depth: depth, tokenCount: tokenCount, singleRowDepth: middle)
      }
      for sample in 0...sampleCount {
        for row in rows.indices {
          let statistics = try await generate(
            sessions[row], prompt: prompt, options: ways[row],
            // Where the context speaks of the next token, the last pass over the prompt brings one before those that are counted.
            tokenCount: tokenCount + (decisions[row].recipe.isEmpty || carriesToken ? 1 : 0),
            sampling: sampling)
          for _ in 0..<min(tokenCount, 8) {
            let seconds = try await model.network.timedPass(
              random.next(count: 1), depth: middle, cache: cache, into: buffer)
            if sample > 0 { rows[row].singleRowPass.append(seconds) }
          }
          if sample > 0 { rows[row].add(statistics) }
        }
        // The next generation begins with a pass that does not count, which brings the weights back into the caches.
        try await meter.sampleBandwidth()
        try Task.checkCancellation()
        progress((Double(index) + Double(sample) / Double(sampleCount)) / Double(depths.count))
      }
      results += rows
    }
    let limits = try await meter.limits()
    let work = PassWork(model)
    for index in results.indices {
      results[index].rooflineSeconds = work.roofline(
        limits, depth: results[index].singleRowDepth, rowCount: 1, outputCount: 1)
    }
    return Report(results: results, setting: BenchmarkSetting(model, limits: limits))
  }

  /// One generation, its events taken one by one as the command line does.
  private func generate(
    _ session: Session, prompt: [TokenID], options: GenerationOptions, tokenCount: Int,
    sampling: SamplingOptions
  ) async throws -> GenerationStatistics {
    var options = options
    options.maximumTokenCount = tokenCount
    options.sampling = sampling
    options.ignoresEndOfText = true
    var statistics = GenerationStatistics()
    for try await event in session.generate(tokens: prompt, options: options) {
      if case .finished(let generation) = event { statistics = generation.statistics }
    }
    return statistics
  }
}

extension DecodeBenchmark.Result {
  /// Adds a measurement. Tokens that the passes after the prefill brought are counted with the time of those passes.
  fileprivate mutating func add(_ statistics: GenerationStatistics) {
    let count = statistics.committedCount - statistics.prefillCommittedCount
    guard count > 0 else { return }
    secondsPerToken.append(statistics.decodeSeconds / Double(count))
    forwardCount += statistics.forwardCount
    committedCount += count
    split += statistics.decodeSplit
  }
}
