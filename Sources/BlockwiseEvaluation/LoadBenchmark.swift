public import Blockwise
internal import BlockwiseModels

/// Measures loading: the time from a path to a model that is ready, and to its first token.
///
/// Every measurement loads the model anew and lets go of the one before; the files are in the page cache from the second
/// on, if not before.
public struct LoadBenchmark: Sendable {
  /// Measurements.
  public var sampleCount: Int
  /// Tokens of the prompt before the first token.
  public var promptTokenCount: Int

  /// A benchmark of at least one measurement.
  /// - Throws: ``BenchmarkError/option(name:found:expected:)``.
  public init(sampleCount: Int = 5, promptTokenCount: Int = 8) throws(BenchmarkError) {
    try BenchmarkError.check("samples", [sampleCount], in: 1...1_000_000)
    try BenchmarkError.check("tokens", [promptTokenCount], in: 1...1 << 20)
    self.sampleCount = sampleCount
    self.promptTokenCount = promptTokenCount
  }

  /// One measurement.
  public struct Sample: Sendable, Hashable {
    /// Loading and its parts.
    public var timing: LoadTiming
    /// From the start of loading to the first token of an answer; nil for a model that does not decode from left to
    /// right.
    public var firstTokenSeconds: Double?
  }

  /// All measurements and what was loaded.
  public struct Report: Sendable, Hashable {
    /// In the order of measuring; the first one may have read the disk.
    public var samples: [Sample]
    /// How the model was packed.
    public var summary: ModelSummary
    /// Bytes of all tensors in the file.
    public var fileByteCount: Int
    /// Tokens of the prompt before the first token.
    public var promptTokenCount: Int
    /// The most memory that this process has held, mapped files included; nil where the system does not tell.
    public var peakMemoryByteCount: Int?

    /// One part of loading over all measurements.
    public func part(_ part: KeyPath<LoadTiming, Double>) -> Samples {
      Samples(samples.map { $0.timing[keyPath: part] })
    }

    /// Time to the first token over all measurements; nil for a model that does not decode from left to right.
    public var firstToken: Samples? {
      let times = samples.compactMap(\.firstTokenSeconds)
      return times.isEmpty ? nil : Samples(times)
    }

    /// Bytes of packed weights per second of packing: the median.
    public var packingRate: Double {
      Double(summary.weightByteCount) / max(part(\.weights).median, 1e-9)
    }
  }

  /// Measures.
  /// - Parameters:
  ///   - name: path or name of the model.
  ///   - progress: called with the share of the work that is done.
  /// - Throws: what loading throws; ``BenchmarkError/context(needed:available:)`` when the prompt does not fit.
  public func run(
    _ name: String, options: ModelLoadOptions, locator: ModelLocator,
    progress: (Double) -> Void = { _ in }
  ) async throws -> Report {
    let path = try locator.path(for: name)
    let weights = try ModelSource(path: path).weights
    let fileByteCount = try weights.names.reduce(0) { try $0 + weights.tensor(named: $1).byteCount }
    let (first, summary) = try await measure(path, options: options)
    var samples = [first]
    while samples.count < sampleCount {
      progress(Double(samples.count) / Double(sampleCount))
      try Task.checkCancellation()
      samples.append(try await measure(path, options: options).sample)
    }
    progress(1)
    return Report(
      samples: samples, summary: summary, fileByteCount: fileByteCount, promptTokenCount: promptTokenCount,
      peakMemoryByteCount: SystemMemory.peakResidentByteCount)
  }

  /// Loads, generates one token, and lets go of the model.
  private func measure(
    _ path: String, options: ModelLoadOptions
  ) async throws -> (
    sample: Sample, summary: ModelSummary
  ) {
    let model = try await LanguageModel.load(path, options: options, locator: ModelLocator(folders: []))
    var sample = Sample(timing: model.loadTiming)
    guard promptTokenCount < model.contextLength else {
      throw BenchmarkError.context(needed: promptTokenCount + 1, available: model.contextLength)
    }
    if model.traits.isAutoregressive {
      var random = RandomTokens(model)
      let prompt = random.next(count: promptTokenCount)
      let loaded = ContinuousClock.now
      let options = GenerationOptions(maximumTokenCount: 1, ignoresEndOfText: true)
      _ = try await model.session().complete(tokens: prompt, options: options)
      sample.firstTokenSeconds =
        model.loadTiming.total + (ContinuousClock.now - loaded) / .seconds(1)
    }
    return (sample, model.summary)
  }
}
