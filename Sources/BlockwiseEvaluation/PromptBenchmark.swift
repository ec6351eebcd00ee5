public import Blockwise
internal import Foundation

/// Compares ways of decoding on given prompts: passes, rows, tokens and time, prompt by prompt.
///
/// All ways answer a prompt in turns, sample by sample, so that a disturbance of the machine hits all of them alike. The
/// first way is what the others are compared with, and whether they give its tokens is counted.
public struct PromptBenchmark: Sendable {
  /// A way of decoding.
  public struct Way: Sendable {
    /// What it is called in the report.
    public var name: String
    /// How it decodes; limit and sampling are its own matter.
    public var options: GenerationOptions

    /// A way.
    public init(name: String, options: GenerationOptions) {
      self.name = name
      self.options = options
    }
  }

  /// What to continue.
  public var prompts: [[TokenID]]
  /// The ways to compare.
  public var ways: [Way]
  /// Answers to every prompt by every way, besides a first one that only warms up.
  public var sampleCount: Int

  /// A benchmark.
  /// - Throws: ``BenchmarkError/option(name:found:expected:)``.
  public init(prompts: [[TokenID]], ways: [Way], sampleCount: Int = 3) throws(BenchmarkError) {
    try BenchmarkError.check("samples", [sampleCount], in: 1...1_000_000)
    if prompts.isEmpty { throw .option(name: "prompts", found: "empty", expected: "at least one prompt") }
    if ways.isEmpty {
      throw .option(name: "ways", found: "empty", expected: "at least one way of decoding")
    }
    self.prompts = prompts
    self.ways = ways
    self.sampleCount = sampleCount
  }

  /// One way on all prompts.
  public struct Result: Sendable {
    /// The way's name.
    public var name: String
    /// New tokens of all answers, one sample.
    public var tokenCount = 0
    /// Passes after the prompts.
    public var forwardCount = 0
    /// Rows of them.
    public var rowCount = 0
    /// Guesses that went into passes, and those that were right.
    public var draftedCount = 0
    /// Of those, the ones that became part of the text.
    public var acceptedCount = 0
    /// Passes of draft models and levels of heads.
    public var stepCount = 0
    /// Seconds of decoding: for each prompt the median of its samples.
    public var seconds: [Double] = []
    /// The same with the reading of the prompts: what one waits for an answer.
    public var requestSeconds: [Double] = []
    /// Of those of the last samples, the time spent on guessing.
    public var draftSeconds = 0.0
    /// What guessing has taken in every answer beside the rows of passes, in passes of one row.
    public var guessingCosts: [Double] = []
    /// Tokens of every prompt, and what draft models and heads have taken to read them beside the model, in passes of one row.
    public var promptCounts: [Int] = []
    /// See ``promptCounts``.
    public var guessingReadCosts: [Double] = []
    /// Answers whose tokens are not those of the first way.
    public var differingCount = 0
    /// The passes of every answer, of the last sample.
    public var traces: [PassTrace] = []

    /// Seconds of all prompts.
    public var totalSeconds: Double { seconds.reduce(0, +) }
    /// The same with the reading of the prompts.
    public var totalRequestSeconds: Double { requestSeconds.reduce(0, +) }
    /// Tokens that a pass brought on average, those of the prompts' passes not counted.
    public var tokensPerForward: Double {
      // The first token of an answer comes with its prompt; an answer that ends at once has none.
      Double(max(0, tokenCount - traces.count)) / Double(max(1, forwardCount))
    }
    /// What every answer costs by a curve, passes and guessing together, in passes of one row.
    public func costs(by curve: CostCurve) -> [Double] {
      zip(traces, guessingCosts).map { trace, guessing in
        trace.passes.reduce(guessing) { $0 + curve.relativeCost(rows: $1.rowCount) }
      }
    }

    /// The same with the reading of the prompts.
    public func requestCosts(by curve: CostCurve) -> [Double] {
      zip(costs(by: curve), zip(promptCounts, guessingReadCosts)).map { cost, reading in
        cost + (reading.0 > 0 ? curve.relativeCost(rows: reading.0) : 0) + reading.1
      }
    }
  }

  /// Measures.
  /// - Throws: what generating throws.
  public func run(
    _ model: LanguageModel, progress: (Double) -> Void = { _ in }
  ) async throws -> [Result] {
    var results = ways.map { Result(name: $0.name) }
    for (index, prompt) in prompts.enumerated() {
      var samples = [[(decode: Double, request: Double)]](repeating: [], count: ways.count)
      var first: [TokenID] = []
      for sample in 0...sampleCount {
        for (way, entry) in ways.enumerated() {
          try Task.checkCancellation()
          // Every answer is a conversation of its own: nothing is known of the prompt, and nothing saved before.
          let generation = try await model.session().complete(tokens: prompt, options: entry.options)
          let seconds = generation.statistics.decodeSeconds
          if sample > 0 { samples[way].append((seconds, seconds + generation.statistics.prefillSeconds)) }
          guard sample == sampleCount else { continue }
          let tokens = generation.tokens.map(\.token)
          if way == 0 { first = tokens } else if tokens != first { results[way].differingCount += 1 }
          results[way].add(generation)
        }
        progress((Double(index) + Double(sample) / Double(sampleCount + 1)) / Double(prompts.count))
      }
      for way in ways.indices {
        let middle = (samples[way].count - 1) / 2
        results[way].seconds.append(samples[way].map(\.decode).sorted()[middle])
        results[way].requestSeconds.append(samples[way].map(\.request).sorted()[middle])
      }
    }
    return results
  }
}

extension PromptBenchmark.Result {
  fileprivate mutating func add(_ generation: Generation) {
    let statistics = generation.statistics
    tokenCount += statistics.committedCount
    forwardCount += statistics.forwardCount
    rowCount += statistics.rowCount
    draftedCount += statistics.drafts.reduce(0) { $0 + $1.draftedCount }
    acceptedCount += statistics.drafts.reduce(0) { $0 + $1.acceptedCount }
    stepCount += statistics.drafts.reduce(0) { $0 + $1.stepCount }
    draftSeconds += statistics.draftSeconds
    guessingCosts.append(statistics.guessingCost)
    promptCounts.append(statistics.prefilledTokenCount)
    guessingReadCosts.append(statistics.guessingReadCost)
    traces.append(PassTrace(method: name, tokenCount: statistics.committedCount, passes: statistics.passes))
  }
}
