import Blockwise
import BlockwiseTestSupport
import Testing

/// Which row speaks of which position.
@Suite struct LogitShiftTests {
  static func outcome(_ name: String) async throws -> (LogitShiftTest.Outcome, ModelTraits.LogitAlignment) {
    let model = try await LanguageModel.load(SharedData.packageFolder + "/" + name)
    return (
      try #require(try await LogitShiftTest.run(model.network, model.tokenizer)), model.traits.logitAlignment
    )
  }

  @Test(arguments: ["Models/base-diffusion", "Models/masked"])
  func `a trained model shows its alignment, and the other one would be refused`(name: String) async throws {
    let (outcome, said) = try await Self.outcome(name)
    #expect(outcome.contradiction(to: said) == nil, "\(outcome)")
    #expect(outcome.contradiction(to: said == .same ? .previous : .same) == said, "\(outcome)")
  }

  @Test(arguments: ["dream", "llada", "sdar", "fast-dllm-qwen"])
  func `random weights contradict nothing`(name: String) async throws {
    let (outcome, _) = try await Self.outcome("Tests/Fixtures/models/" + name)
    for said in [ModelTraits.LogitAlignment.same, .previous] {
      #expect(outcome.contradiction(to: said) == nil, "\(outcome)")
    }
  }

  @Test func `models that fill no masks are not asked`() async throws {
    let model = try await LanguageModel.load(SharedData.packageFolder + "/Tests/Fixtures/models/llama")
    #expect(try await LogitShiftTest.run(model.network, model.tokenizer) == nil)
  }

  @Test func `a contradiction needs more than a little`() {
    func outcome(_ mean: Float, _ significance: Float) -> LogitShiftTest.Outcome {
      LogitShiftTest.Outcome(mean: mean, significance: significance)
    }
    #expect(outcome(-4, -5).contradiction(to: .same) == .previous)
    #expect(outcome(-4, -5).contradiction(to: .previous) == nil)
    #expect(outcome(4, 5).contradiction(to: .previous) == .same)
    #expect(outcome(-4, -2).contradiction(to: .same) == nil, "few agree")
    #expect(outcome(-1, -9).contradiction(to: .same) == nil, "by little")
  }
}
