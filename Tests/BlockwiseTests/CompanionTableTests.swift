import Blockwise
import BlockwiseDecoding
import BlockwiseEvaluation
import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import Foundation
import Testing

/// The table of n-grams that lies beside a model and is guessed from under `auto`.
@Suite struct CompanionTableTests {
  private static let models = SharedData.packageFolder + "/Models"
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func link(_ name: String, to path: String) throws {
    try FileManager.default.createSymbolicLink(atPath: folder.path + "/" + name, withDestinationPath: path)
  }

  private func load(_ path: String) async throws -> LanguageModel {
    try await LanguageModel.load(path, options: ModelLoadOptions(contextLength: 256, threadCount: 2))
  }

  /// A table of what the model answers.
  private func table(_ model: LanguageModel) async throws -> NGramTable {
    let prompts = ["Once upon a time", "One day", "Lily and Ben"].map { model.promptTokens($0) }
    var options = GenerationOptions(maximumTokenCount: 60)
    options.method = .autoregressive
    return try await NGramTuning(prompts: prompts, options: options, parallelCount: 2).run(
      model, keep: { _ in })
  }

  @Test(arguments: ["draft.ngrams", "big-draft.ngrams"])
  func `a table beside a model is guessed from, and the text stays the same`(name: String) async throws {
    try link("big.gguf", to: Self.models + "/base/base.gguf")
    let plain = try await load(folder.path + "/big.gguf")
    // So small a model is decoded plainly where nothing lies beside it.
    #expect(try plain.decision(for: GenerationOptions()).method == "ar")
    try await table(plain).write(to: folder.path + "/" + name)
    let model = try await load(folder.path + "/big.gguf")
    let decision = try model.decision(for: GenerationOptions())
    #expect(decision.method == "speculative" && decision.note == nil)
    #expect(decision.recipe == "ngram(8,16):\(folder.path)/\(name),shape=cost(32,0.03),accept=exact")
    let prompt = model.promptTokens("One day, Lily and Ben")
    for temperature: Float in [0, 0.8] {
      var options = GenerationOptions(
        maximumTokenCount: 80, sampling: SamplingOptions(temperature: temperature, seed: 4))
      options.method = .autoregressive
      let expected = try await plain.session().complete(tokens: prompt, options: options)
      options.method = .auto
      options.costCurve = CostCurve([
        CostCurve.Point(rowCount: 1, milliseconds: 1e6), CostCurve.Point(rowCount: 32, milliseconds: 2e6),
      ])
      let found = try await model.session().complete(tokens: prompt, options: options)
      #expect(found.tokens == expected.tokens)
      #expect(temperature > 0 || found.statistics.forwardCount < expected.statistics.forwardCount)
    }
  }

  @Test func `with the shipped table base is guessed for, and takes fewer passes`() async throws {
    let model = try await load(Self.models + "/base")
    var options = GenerationOptions(maximumTokenCount: 120)
    #expect(
      try model.decision(for: options).recipe
        == "ngram(8,16):\(Self.models)/base/draft.ngrams,shape=cost(32,0.03),accept=exact")
    let prompt = model.promptTokens("Long ago, in a small village, there lived a")
    options.costCurve = CostCurve([
      CostCurve.Point(rowCount: 1, milliseconds: 1e6), CostCurve.Point(rowCount: 32, milliseconds: 3e6),
    ])
    options.draft = "auto,shape=cost(32,0.03)"
    let found = try await model.session().complete(tokens: prompt, options: options)
    #expect(found.statistics.forwardCount < 60)
  }

  @Test func `only what auto stands for makes room for a table`() async throws {
    try link("big.gguf", to: Self.models + "/base/base.gguf")
    try link("draft.ngrams", to: Self.models + "/base/draft.ngrams")
    let model = try await load(folder.path + "/big.gguf")
    func recipe(_ draft: String) throws -> String {
      var options = GenerationOptions()
      options.draft = draft
      return try model.decision(for: options).recipe
    }
    let table = "ngram(8,16):\(folder.path)/draft.ngrams"
    #expect(try recipe("auto").hasPrefix(table + ",shape"))
    #expect(try recipe("lookup+auto+suffix").hasPrefix("lookup(3,10)+\(table)+suffix(24,2),shape"))
    #expect(try !recipe("suffix+adaptive").contains("ngram"))
    #expect(try recipe("ngram").hasPrefix("ngram(8,16),shape"))
  }

  @Test func `a table that cannot be used is left out with the reason`() async throws {
    let other = VocabularyFingerprint(tokenCount: 4096, hash: 5)
    let cases: [(name: String, reason: String, prepare: (String) throws -> Void)] = [
      (
        "other", "another vocabulary",
        { try NGramTableBuilder(vocabulary: other).table(byteLimit: 1000).write(to: $0) }
      ),
      ("noise", "header", { try Data(repeating: 7, count: 900).write(to: URL(fileURLWithPath: $0)) }),
    ]
    for (name, reason, prepare) in cases {
      let place = folder.path + "/" + name
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      try FileManager.default.createSymbolicLink(
        atPath: place + "/big.gguf", withDestinationPath: Self.models + "/base/base.gguf")
      try prepare(place + "/draft.ngrams")
      let model = try await load(place + "/big.gguf")
      let usual = try model.decision(for: GenerationOptions())
      #expect(usual.method == "ar" && usual.note?.contains("is not guessed from") == true)
      var options = GenerationOptions(maximumTokenCount: 8)
      options.draft = "auto"
      let note = try model.decision(for: options).note ?? ""
      #expect(note.contains("\(place)/draft.ngrams is not guessed from") && note.contains(reason), "\(note)")
      _ = try await model.session().complete(tokens: [1, 2], options: options)
      // What is asked for by name fails instead.
      options.draft = "ngram:\(place)/draft.ngrams"
      await #expect(throws: DraftFileError.self) {
        try await model.session().complete(tokens: [1, 2], options: options)
      }
    }
  }

  @Test func `a table that can be used goes before one that cannot`() async throws {
    try link("big.gguf", to: Self.models + "/base/base.gguf")
    try Data(repeating: 7, count: 900).write(to: URL(fileURLWithPath: folder.path + "/big-draft.ngrams"))
    try link("draft.ngrams", to: Self.models + "/base/draft.ngrams")
    let decision = try await load(folder.path + "/big.gguf").decision(for: GenerationOptions())
    #expect(decision.recipe.hasPrefix("ngram(8,16):\(folder.path)/draft.ngrams") && decision.note == nil)
  }

  @Test func `prompts that leave no room for an answer are refused before any is answered`() async throws {
    let model = try await load(Self.models + "/base")
    let prompts: [[TokenID]] = [[5, 6], Array(repeating: 7, count: 256)]
    let tuning = try NGramTuning(prompts: prompts, options: GenerationOptions(maximumTokenCount: 4))
    await #expect(throws: BenchmarkError.self) {
      try await tuning.run(model, keep: { _ in Issue.record("an answer") })
    }
    let wrong = NGramTuning.Answer(prompt: [5], tokens: [5000])
    let short = try NGramTuning(prompts: [[5]], options: GenerationOptions(maximumTokenCount: 4))
    await #expect(throws: BenchmarkError.self) { try await short.run(model, known: [wrong], keep: { _ in }) }
    // What is asked twice is answered once.
    let twice = try NGramTuning(prompts: [[5], [6], [5]], options: GenerationOptions(maximumTokenCount: 4))
    var answerCount = 0
    _ = try await twice.run(model, keep: { _ in answerCount += 1 })
    #expect(answerCount == 2)
  }

  @Test func `counting goes on from answers that are known, and gives the same table`() async throws {
    let model = try await load(Self.models + "/base")
    let prompts = (0..<18).map { model.promptTokens("Story number \($0):") }
    var options = GenerationOptions(maximumTokenCount: 24)
    options.method = .autoregressive
    let tuning = try NGramTuning(prompts: prompts, options: options, parallelCount: 3, length: 3)
    var answers: [NGramTuning.Answer] = []
    let table = try await tuning.run(model, keep: { answers.append($0) })
    // Every sixteenth prompt is not counted.
    #expect(answers.count == 17 && tuning.heldOutPrompts == [prompts[15]])
    var newCount = 0
    let again = try await tuning.run(model, known: Array(answers.prefix(9)), keep: { _ in newCount += 1 })
    #expect(newCount == 8)
    let (first, second) = (folder.path + "/a", folder.path + "/b")
    try table.write(to: first)
    try again.write(to: second)
    #expect(FileManager.default.contents(atPath: first) == FileManager.default.contents(atPath: second))
  }
}
