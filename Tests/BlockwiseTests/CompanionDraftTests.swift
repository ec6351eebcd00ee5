import Blockwise
import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import Foundation
import Testing

/// The small model that lies beside a model and writes ahead for it under `auto`.
@Suite struct CompanionDraftTests {
  private static let models = SharedData.packageFolder + "/Models"
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func link(_ name: String, to path: String) throws {
    try FileManager.default.createSymbolicLink(atPath: folder.path + "/" + name, withDestinationPath: path)
  }

  private func auto(_ count: Int = 40) -> GenerationOptions {
    var options = GenerationOptions(method: .speculative, maximumTokenCount: count)
    options.draft = "auto"
    // Passes so slow that the time of this machine does not count beside them.
    options.costCurve = CostCurve([
      CostCurve.Point(rowCount: 1, milliseconds: 1e6), CostCurve.Point(rowCount: 32, milliseconds: 2e6),
    ])
    options.draftStepCost = 0.01
    return options
  }

  private func load(_ path: String) async throws -> LanguageModel {
    try await LanguageModel.load(path, options: ModelLoadOptions(contextLength: 256, threadCount: 2))
  }

  /// What `auto` gives, which is always what plain decoding gives.
  private func generate(_ model: LanguageModel) async throws -> Generation {
    let prompt = model.promptTokens("Once upon a time")
    let found = try await model.session().complete(tokens: prompt, options: auto())
    let plain = try await model.session().complete(
      tokens: prompt, options: GenerationOptions(method: .autoregressive, maximumTokenCount: 40))
    #expect(found.tokens == plain.tokens)
    return found
  }

  @Test(arguments: ["base", "base/base.gguf"])
  func `the shipped draft writes ahead for base without being asked for`(name: String) async throws {
    let model = try await load("\(Self.models)/\(name)")
    let found = try await generate(model)
    #expect(found.decision.recipe.contains("+model(8,1):\(Self.models)/draft,shape=cost(32,0.03)"))
    let draft = try #require(found.statistics.drafts.last)
    #expect(draft.acceptedCount > 8)
    #expect(draft.stepCount >= draft.acceptedCount)
  }

  @Test(arguments: ["draft.gguf", "big-draft.gguf"])
  func `a draft beside a file is found by its name`(name: String) async throws {
    try link("big.gguf", to: Self.models + "/base/base.gguf")
    try link(name, to: Self.models + "/draft/draft.gguf")
    let found = try await generate(load(folder.path + "/big.gguf"))
    #expect(found.decision.recipe.contains("model(8,1):\(folder.path)/\(name)"))
    #expect(try #require(found.statistics.drafts.last).acceptedCount > 8)
  }

  @Test func `a draft inside of a folder goes before one beside it`() async throws {
    try FileManager.default.createDirectory(
      atPath: folder.path + "/big/draft", withIntermediateDirectories: true)
    try link("big/base.gguf", to: Self.models + "/base/base.gguf")
    try link("big/draft/model.gguf", to: Self.models + "/draft/draft.gguf")
    try link("draft", to: Self.models + "/draft")
    let model = try await load(folder.path + "/big")
    #expect(try model.decision(for: auto()).recipe.contains("model(8,1):\(folder.path)/big/draft,"))
  }

  @Test func `a model is not its own draft, and one that is asked for comes alone`() async throws {
    let draft = try await load(Self.models + "/draft")
    #expect(try !draft.decision(for: auto()).recipe.contains("model("))
    let base = try await load(Self.models + "/base")
    var options = auto()
    options.draft = "auto+model(3):\(Self.models)/draft"
    let recipe = try base.decision(for: options).recipe
    #expect(recipe.contains("model(3,1)") && !recipe.contains("model(8"))
    for other in ["suffix", "auto,accept=reject"] {
      options.draft = other
      #expect(try !base.decision(for: options).recipe.contains("model("))
    }
  }

  @Test func `a companion that cannot be used is left out with the reason`() async throws {
    let draft = [UInt8](try #require(FileManager.default.contents(atPath: Self.models + "/draft/draft.gguf")))
    let llama = SharedData.packageFolder + "/Tests/Fixtures/gguf/llama"
    let small = try #require(
      FileManager.default.contentsOfDirectory(atPath: llama).sorted().first { $0.hasSuffix(".gguf") })
    let cases: [(name: String, reason: String, prepare: (String) throws -> Void)] = [
      ("cut", "damaged header", { try Data(draft.prefix(5000)).write(to: URL(fileURLWithPath: $0)) }),
      ("noise", "GGUF", { try Data(repeating: 7, count: 900).write(to: URL(fileURLWithPath: $0)) }),
      (
        "other", "token",
        { try FileManager.default.createSymbolicLink(atPath: $0, withDestinationPath: llama + "/" + small) }
      ),
      (
        "large", "quarter",
        {
          try FileManager.default.createSymbolicLink(
            atPath: $0, withDestinationPath: Self.models + "/masked/masked.gguf")
        }
      ),
    ]
    for (name, reason, prepare) in cases {
      let place = folder.path + "/" + name
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      try FileManager.default.createSymbolicLink(
        atPath: place + "/big.gguf", withDestinationPath: Self.models + "/base/base.gguf")
      try prepare(place + "/draft.gguf")
      let model = try await load(place + "/big.gguf")
      for _ in 0..<2 {
        let found = try await generate(model)
        #expect(!found.decision.recipe.contains("model("), "\(name)")
        #expect(
          found.decision.note?.contains("\(place)/draft.gguf does not write ahead") == true
            && found.decision.note?.contains(reason) == true, "\(name): \(found.decision.note ?? "")")
      }
    }
    // What is asked for by name fails instead.
    let model = try await load(folder.path + "/cut/big.gguf")
    var options = auto()
    options.draft = "auto+model:\(folder.path)/cut/draft.gguf"
    await #expect(throws: (any Error).self) {
      try await model.session().complete(tokens: [1, 2], options: options)
    }
  }
}
