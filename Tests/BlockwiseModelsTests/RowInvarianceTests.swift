import BlockwiseFiles
import BlockwiseKernels
import BlockwiseModels
import BlockwiseTestSupport
import Testing

/// Law 2 of the engine: a row's result does not depend on the other rows of the pass, bit for bit.
@Suite struct RowInvarianceTests {
  struct Subject: Sendable, CustomTestStringConvertible {
    var path: String
    var compute: ModelLoadOptions.Compute
    var cache: CacheFormat
    var testDescription: String {
      "\(path.split(separator: "/").suffix(2).joined(separator: "/")) \(compute.rawValue) \(cache.name)"
    }
  }

  /// Every weight format, windows, biases, head norms, both ways to compute, every cache format.
  static let subjects: [Subject] = {
    let root = ParityFixture.fixtureRoot
    let mixture = ParityFixture.shared.filter { $0.folder.hasSuffix("qwen3-moe") }
      .map { Subject(path: $0.folder, compute: .f32, cache: .f16) }
    return mixture + [
      Subject(path: "\(root)/models/llama", compute: .f32, cache: .f32),
      Subject(path: "\(root)/models/mistral", compute: .auto, cache: .f16),
      Subject(path: "\(root)/models/qwen3", compute: .f32, cache: .q8_0),
      Subject(path: "\(root)/gguf/llama/llama-F16.gguf", compute: .auto, cache: .f16),
      Subject(path: "\(root)/gguf/llama/llama-Q4_0.gguf", compute: .auto, cache: .q8_0),
      Subject(path: "\(root)/gguf/llama/llama-Q4_0.gguf", compute: .f32, cache: .f32),
      Subject(path: "\(root)/gguf/qwen2/qwen2-Q8_0.gguf", compute: .auto, cache: .f16),
      Subject(path: "\(root)/gguf/qwen2/qwen2-Q8_0.gguf", compute: .f32, cache: .bf16),
    ]
  }()

  static func load(_ subject: Subject, threads: Int, variant: KernelVariant = .best) throws -> DecoderModel {
    try DecoderModel.load(
      ModelSource(path: subject.path),
      options: ModelLoadOptions(
        compute: subject.compute, cacheFormat: subject.cache, threadCount: threads, kernelVariant: variant))
  }

  @Test(arguments: subjects)
  func `random plans over several sequences give every row the bits it has alone`(_ subject: Subject)
    async throws
  {
    let models = try (1...4).map { try Self.load(subject, threads: $0) }
    let reference = models[0]
    for seed in UInt64(1)...6 {
      var random = SplitMix(seed: seed)
      let scenario = try await Scenario(model: reference, random: &random)
      let alone = try await scenario.rowsAlone(reference)
      for model in models {
        let together = try await scenario.rowsTogether(model)
        #expect(together == alone, "seed \(seed), \(model.summary.threadCount) threads")
      }
    }
  }

  @Test(.enabled(if: SharedData.isAvailable), arguments: [3, 40])
  func `rows that are no numbers go through a mixture and are reported`(rowCount: Int) async throws {
    let subject = try #require(Self.subjects.first { $0.path.hasSuffix("qwen3-moe") })
    let model = try Self.load(subject, threads: 2)
    let size = model.traits.hiddenSize
    var plan = BlockPlan(
      tokens: (0..<rowCount).map { TokenID($0) }, at: 0, write: .scratch, outputs: OutputRequest(rows: .all))
    // Every row but the first one.
    plan.embeddings = BlockPlan.EmbeddingRows(
      rows: Array(1..<rowCount), vectors: Array(repeating: .nan, count: (rowCount - 1) * size))
    let result = BlockResultBuffer()
    try await model.forward([SequencePass(plan: plan, cache: try model.makeCache())], into: result)
    #expect(result.statistics(output: 0).topLogit.isFinite)
    for row in 1..<rowCount { #expect(result.statistics(output: row).topLogit.isNaN, "row \(row)") }
  }

  @Test(arguments: subjects)
  func `scalar and vector kernels agree on whole passes bit for bit`(_ subject: Subject) async throws {
    var random = SplitMix(seed: 99)
    let reference = try Self.load(subject, threads: 1, variant: .scalar)
    let scenario = try await Scenario(model: reference, random: &random)
    let expected = try await scenario.rowsTogether(reference)
    for variant in KernelVariant.available {
      let found = try await scenario.rowsTogether(Self.load(subject, threads: 2, variant: variant))
      #expect(found == expected, "\(variant.name)")
    }
  }
}

/// Random prompts and plans for several sequences of one model.
struct Scenario {
  struct Sequence {
    var prefix: [TokenID]
    var tokens: [TokenID]
    /// Parents within the plan; a chain for causal plans.
    var parents: [Int]
    var isTree: Bool
  }

  var sequences: [Sequence] = []

  init(model: DecoderModel, random: inout SplitMix) async throws {
    let vocabulary = model.traits.vocabularyCount
    let sequenceCount = Int.random(in: 1...3, using: &random)
    for _ in 0..<sequenceCount {
      let prefixLength = Int.random(in: 0...20, using: &random)
      let rowCount = [1, 2, 3, 5, 8, 16, 21, 40][Int.random(in: 0..<8, using: &random)]
      func tokens(_ count: Int) -> [TokenID] {
        (0..<count).map { _ in TokenID(Int.random(in: 0..<vocabulary, using: &random)) }
      }
      let isTree = prefixLength > 0 && Bool.random(using: &random)
      let parents = (0..<rowCount).map { row in
        isTree ? Int.random(in: max(-1, row - 6)..<max(row, 0), using: &random) : row - 1
      }
      sequences.append(
        Sequence(prefix: tokens(prefixLength), tokens: tokens(rowCount), parents: parents, isTree: isTree))
    }
  }

  private func prefilled(_ model: DecoderModel, _ sequence: Sequence) async throws -> CacheHandle {
    let cache = try model.makeCache()
    if !sequence.prefix.isEmpty {
      let plan = BlockPlan(tokens: sequence.prefix, at: 0, outputs: OutputRequest(rows: .none))
      try await model.forward([SequencePass(plan: plan, cache: cache)], into: BlockResultBuffer())
    }
    return cache
  }

  /// Logits of all rows, all sequences in one pass.
  func rowsTogether(_ model: DecoderModel) async throws -> [[Float]] {
    var batch: [SequencePass] = []
    for sequence in sequences {
      let outputs = OutputRequest(rows: .all)
      let plan =
        sequence.isTree
        ? BlockPlan(
          tree: sequence.tokens, parents: sequence.parents, prefixLength: sequence.prefix.count,
          outputs: outputs)
        : BlockPlan(tokens: sequence.tokens, at: sequence.prefix.count, outputs: outputs)
      batch.append(SequencePass(plan: plan, cache: try await prefilled(model, sequence)))
    }
    let result = BlockResultBuffer()
    try await model.forward(batch, into: result)
    return sequences.indices.flatMap { index in
      sequences[index].tokens.indices.map { result.logits(sequence: index, output: $0) }
    }
  }

  /// Logits of all rows, each after its own path one token at a time.
  func rowsAlone(_ model: DecoderModel) async throws -> [[Float]] {
    var rows: [[Float]] = []
    let result = BlockResultBuffer()
    for sequence in sequences {
      // A fork per node: the cache after the node's path.
      var caches: [CacheHandle] = []
      let prefix = try await prefilled(model, sequence)
      for (row, parent) in sequence.parents.enumerated() {
        let cache = try (parent < 0 ? prefix : caches[parent]).fork()
        let plan = BlockPlan(tokens: [sequence.tokens[row]], at: try cache.committedCount)
        try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
        rows.append(result.logits(output: 0))
        caches.append(cache)
      }
    }
    return rows
  }
}
