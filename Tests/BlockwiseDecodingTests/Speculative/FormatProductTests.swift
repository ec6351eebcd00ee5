import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseKernels
import BlockwiseModels
import BlockwiseTestSupport
import Testing

/// Sources × shapes × rules × formats on tiny checkpoints: weights of files and caches of every format, windows and experts.
@Suite struct FormatProductTests {
  struct Checkpoint: Sendable, CustomTestStringConvertible {
    var path: String
    var compute: ModelLoadOptions.Compute
    var cache: CacheFormat
    var testDescription: String {
      "\(path.split(separator: "/").last ?? ""), \(compute), \(cache.name) cache"
    }
  }

  static let checkpoints: [Checkpoint] = {
    let own = [
      "models/llama", "models/mistral", "models/qwen3", "gguf/llama/llama-F16.gguf",
      "gguf/llama/llama-Q4_0.gguf", "gguf/qwen2/qwen2-Q8_0.gguf",
    ].map { DraftHeadTests.fixtures + "/" + $0 }
    let shared = ["mistral-window", "gemma2", "gpt-neox", "phi3-longrope", "qwen3-moe", "smollm3"]
      .compactMap { try? SharedData.path("parity/models/\($0)") }
    return own.flatMap { path in
      CacheFormat.allCases.map { Checkpoint(path: path, compute: .auto, cache: $0) }
        + [Checkpoint(path: path, compute: .f32, cache: .f32)]
    } + shared.map { Checkpoint(path: $0, compute: .auto, cache: .f16) }
  }()

  static let sources = [
    "lookup", "ngram", "suffix", "recycle", "adaptive", "aded", "given", "model", "lookup+suffix+recycle",
  ]
  /// Every shape with every rule that takes it and leaves the text as it is.
  static let ways: [(shape: String, rule: String, temperature: Float)] = [
    ("all", "exact", 0), ("best(3)", "exact", 0), ("cost(16,0.5)", "exact", 0),
    ("all", "exact", 0.9), ("best(5)", "exact", 0.9), ("cost(32)", "exact", 0.9), ("all", "reject", 0),
  ]

  private func sources(
    _ name: String, _ model: DecoderModel, draft: DecoderModel, isDrawn: Bool, expected: [TokenID]
  ) throws -> [(name: String, source: any DraftSource)] {
    if name == "model" {
      return [
        (
          name,
          try DraftModelSource(
            model: draft, growth: isDrawn ? .branching([2, 1, 1]) : .chain(4), contextLength: 128,
            vocabularyLimit: model.traits.vocabularyCount)
        )
      ]
    }
    let resources = DraftResources(
      traits: model.traits, vocabularyLimit: model.traits.vocabularyCount, contextLength: 128,
      expected: expected, isDrawn: isDrawn)
    return try DraftRecipe(name).sources.map { ($0.text, try $0.policy.makeSource(resources)) }
  }

  @Test(arguments: checkpoints)
  func `every source, shape and rule gives tokens, probabilities and cache of plain decoding`(
    checkpoint: Checkpoint
  ) async throws {
    func load() throws -> DecoderModel {
      try DecoderModel.load(
        ModelSource(path: checkpoint.path),
        options: ModelLoadOptions(
          compute: checkpoint.compute, cacheFormat: checkpoint.cache, contextLength: 128, threadCount: 2))
    }
    let model = try load()
    // It writes ahead for itself, from a cache of its own.
    let draft = try load()
    let vocabulary = model.traits.vocabularyCount
    var random = TestRandom(seed: 17)
    let prompt = repetitivePrompt(&random, vocabularyCount: vocabulary, count: 24)
    for (shape, rule, temperature) in Self.ways {
      let plain = AutoregressiveOptions(
        maximumTokenCount: 28, sampling: SamplingOptions(temperature: temperature, seed: 9),
        prefillRowCount: 16)
      let expected = try await Decoded.plain(model, prompt: prompt, plain)
      var drafted = 0
      for name in Self.sources {
        let recipe = try DraftRecipe("\(name == "model" ? "lookup" : name),shape=\(shape),accept=\(rule)")
        let (found, statistics) = try await Decoded.speculative(
          model, prompt: prompt,
          SpeculativeOptions(
            plain: plain,
            sources: try sources(
              name, model, draft: draft, isDrawn: rule == "reject",
              expected: Array(expected.tokens.dropFirst(3))),
            shape: recipe.shape, accept: recipe.accept, costCurve: flatCosts))
        #expect(found == expected, "\(name), \(recipe.text), temperature \(temperature)")
        drafted += statistics.drafts.reduce(0) { $0 + $1.draftedCount }
        if name == "model", shape == "all" {
          #expect(statistics.drafts[0].acceptedCount > 12, "\(recipe.text): \(statistics.drafts)")
        }
      }
      #expect(drafted > 20, "\(shape), \(rule)")
    }
  }
}
