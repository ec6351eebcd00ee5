import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseKernels
import BlockwiseModels
import Dispatch
import Synchronization
import Testing

/// Requests whose passes are merged.
@Suite struct PassMergerTests {
  /// A model that notes how many sequences and rows its passes have, on a thread where requests meet.
  final class Noting: BlockModel {
    let model: any BlockModel
    let preferredExecutor: (any TaskExecutor)?
    private let noted = Mutex<[[Int]]>([])

    init(_ model: any BlockModel, _ executor: (any TaskExecutor)? = nil) {
      self.model = model
      preferredExecutor = executor
    }

    var traits: ModelTraits { model.traits }
    /// The row counts of each pass.
    var passes: [[Int]] { noted.withLock { $0 } }
    func makeCache(contextLength: Int?) throws -> CacheHandle {
      try model.makeCache(contextLength: contextLength)
    }
    func forward(_ batch: [SequencePass], into result: BlockResultBuffer) async throws {
      try await model.forward(batch, into: result)
      noted.withLock { $0.append(batch.map(\.plan.rowCount)) }
    }
  }

  struct Job {
    var prompt: [TokenID]
    /// From left to right without one.
    var recipe: String?
    var count: Int
    var temperature: Float = 0
  }

  static let jobs = [
    Job(prompt: [1, 2, 3], recipe: "block=fixed(8) commit=threshold(0.5) cache=exact", count: 20),
    Job(prompt: [5], recipe: nil, count: 17),
    Job(
      prompt: Array(repeating: 4, count: 40), recipe: "block=fixed(4) commit=quota(0) cache=none", count: 9),
    Job(prompt: [3, 1], recipe: "block=fixed(8,4) commit=factor(1) cache=sub", count: 14, temperature: 1),
    Job(prompt: [2, 2], recipe: nil, count: 3, temperature: 0.8),
  ]

  static func run(_ job: Job, _ model: any BlockModel) async throws -> DiffusionOutcome {
    let sampling = SamplingOptions(temperature: job.temperature, seed: 7)
    if let recipe = job.recipe {
      return try await denoise(
        model, .test(recipe, cache: ExactBlockCache()), prompt: job.prompt, count: job.count,
        sampling: sampling)
    }
    let decoder = try AutoregressiveDecoder(
      model: model, options: AutoregressiveOptions(maximumTokenCount: job.count, sampling: sampling))
    var tokens: [SampledToken] = []
    let (reason, statistics) = try await decoder.generate(prompt: job.prompt, cache: try model.makeCache()) {
      tokens.append($0)
      return true
    }
    return DiffusionOutcome(
      tokens: tokens.map(\.token), logProbabilities: tokens.map(\.logProbability), reason: reason,
      statistics: statistics)
  }

  static func together(_ jobs: [Job], _ model: any BlockModel) async throws -> [DiffusionOutcome] {
    // The thread is held until all of them wait for it, so that they meet however busy the machine is.
    let gate = DispatchSemaphore(value: 0)
    if let executor = model.preferredExecutor {
      func wait() { gate.wait() }
      Task(executorPreference: executor) { wait() }
    }
    return try await withThrowingTaskGroup(of: (Int, DiffusionOutcome).self) { group in
      for (index, job) in jobs.enumerated() {
        group.addTask(executorPreference: model.preferredExecutor) { (index, try await run(job, model)) }
      }
      gate.signal()
      return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }.sorted { $0.key < $1.key }.map(\.value)
    }
  }

  @Test func `requests at different progress share passes and get what they get alone`() async throws {
    let table = scrambledModel(seed: 7, alignment: .previous, contextMask: .contextCausal(size: 8))
    var alone: [DiffusionOutcome] = []
    for job in Self.jobs { alone.append(try await Self.run(job, table)) }
    // Where requests meet on one thread, and where they come from many.
    for executor in [try EngineThread(), nil] {
      let noting = Noting(table, executor)
      let merged = try await Self.together(Self.jobs, PassMerger(noting))
      #expect(merged.count == alone.count)
      for (one, other) in zip(alone, merged) {
        #expect(one.tokens == other.tokens && one.logProbabilities == other.logProbabilities)
        #expect(one.reason == other.reason)
        #expect(one.statistics.forwardCount == other.statistics.forwardCount)
        #expect(one.statistics.passes == other.statistics.passes)
      }
      #expect(noting.passes.joined().reduce(0, +) == alone.reduce(0) { $0 + Self.rowCount($1) })
      guard executor != nil else { continue }
      let longest = alone.map { $0.statistics.forwardCount }.max() ?? 0
      #expect(noting.passes.count < 2 * longest, "\(noting.passes)")
      #expect(noting.passes.contains { Set($0).count > 1 })
      #expect(merged.allSatisfy { $0.statistics.sharedForwardCount > 0 })
      #expect(alone.allSatisfy { $0.statistics.sharedForwardCount == 0 })
    }
  }

  private static func rowCount(_ outcome: DiffusionOutcome) -> Int {
    outcome.statistics.rowCount + outcome.statistics.prefilledTokenCount
  }

  @Test func `a merged pass keeps the limit of rows`() async throws {
    let table = scrambledModel(seed: 7, alignment: .previous, contextMask: .contextCausal(size: 8))
    let noting = Noting(table, try EngineThread())
    let jobs = (0..<6).map { Job(prompt: [TokenID($0)], recipe: "block=fixed(4)", count: 12) }
    _ = try await Self.together(jobs, PassMerger(noting, maximumRowCount: 9))
    #expect(noting.passes.allSatisfy { $0.count == 1 || $0.reduce(0, +) <= 9 })
    #expect(noting.passes.contains { $0.reduce(0, +) == 8 })
  }

  @Test func `a request that cannot be evaluated fails alone`() async throws {
    let table = scrambledModel(seed: 7, alignment: .previous, contextMask: .contextCausal(size: 8))
    let foreign = try TestCaches.foreign()
    let merger = PassMerger(Noting(table, try EngineThread()))
    let outcomes = try await withThrowingTaskGroup(of: (Int, Bool).self) { group in
      for index in 0..<4 {
        let cache = index == 2 ? foreign : try table.makeCache()
        group.addTask(executorPreference: merger.preferredExecutor) {
          let result = BlockResultBuffer()
          let plan = BlockPlan(tokens: [1, 2, TokenID(index)], at: 0)
          do {
            try await merger.forward([SequencePass(plan: plan, cache: cache)], into: result)
            return (index, result.sequenceCount == 1 && result.statistics(output: 0).topLogit.isFinite)
          } catch is PlanError {
            return (index, false)
          }
        }
      }
      return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
    }
    #expect(outcomes == [0: true, 1: true, 2: false, 3: true])
  }
}

enum TestCaches {
  /// A cache that belongs to another kind of model.
  static func foreign() throws -> CacheHandle {
    CacheHandle(
      layout: CacheLayout(layerCount: 1, headCount: 1, headDimension: 2, format: .f32), contextLength: 16)
  }
}
