import Blockwise
import BlockwiseEvaluation
import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import Foundation
import Testing

@Suite struct PerplexityTests {
  private static func model(_ name: String) async throws -> LanguageModel {
    try await LanguageModel.load(
      SharedData.packageFolder + "/Tests/Fixtures/models/" + name, options: ModelLoadOptions(compute: .f32))
  }

  private static let text = "The old man and the sea. The sea was very old too, and nobody knew how old."

  /// −log softmax of a token in a row of logits, in double precision.
  private static func loss(_ logits: ArraySlice<Float>, _ token: TokenID) -> Double {
    let top = Double(logits.max() ?? 0)
    let sum = logits.reduce(0) { $0 + exp(Double($1) - top) }
    return top + log(sum) - Double(logits[logits.startIndex + token.index])
  }

  @Test func `one window is the sum over the rows of one block`() async throws {
    let model = try await Self.model("llama")
    let start = try #require(model.tokenizer.bosToken ?? model.tokenizer.eosToken)
    let tokens = [start] + model.tokenizer.encode(Self.text, addSpecialTokens: false)
    let block = try await BlockLogits.evaluate(
      model.network, tokens: Array(tokens.dropLast()), prefixLength: 0, visibility: .causal)
    var expected = 0.0
    for row in 0..<block.rowCount {
      expected += Self.loss(
        block.values[row * block.vocabularyCount..<(row + 1) * block.vocabularyCount], tokens[row + 1])
    }
    let evaluation = try PerplexityEvaluation(windowLength: tokens.count, stride: 1)
    let report = try await evaluation.run(model, texts: [Self.text, ""])
    #expect(abs(report.nats - expected) < 1e-4 * expected)
    #expect(report.tokenCount == tokens.count - 1 && report.byteCount == Self.text.utf8.count)
    #expect(report.documentCount == 2 && report.mode == .autoregressive && report.lossError == 0)
    #expect(abs(report.bitsPerByte - expected / log(2) / Double(Self.text.utf8.count)) < 1e-3)
  }

  @Test func `windows that move by one token see as much as they can`() async throws {
    let model = try await Self.model("llama")
    let start = try #require(model.tokenizer.bosToken ?? model.tokenizer.eosToken)
    let tokens = [start] + model.tokenizer.encode(Self.text, addSpecialTokens: false)
    let length = 5
    var expected = 0.0
    for target in 1..<tokens.count {
      let window = Array(tokens[max(0, target - length)..<target])
      let block = try await BlockLogits.evaluate(
        model.network, tokens: window, prefixLength: window.count - 1, visibility: .causal)
      expected += Self.loss(block.values[...], tokens[target])
    }
    let report = try await PerplexityEvaluation(windowLength: length, stride: 1).run(
      model, texts: [Self.text])
    #expect(abs(report.nats - expected) < 1e-4 * expected)
    // A stride of a whole window forgets everything at its end.
    let apart = try await PerplexityEvaluation(windowLength: length, stride: length).run(
      model, texts: [Self.text])
    #expect(apart.tokenCount == report.tokenCount && apart.nats != report.nats)
  }

  @Test(arguments: ["llada", "dream"])
  func `a window of one token is its loss at a mask`(name: String) async throws {
    let model = try await Self.model(name)
    let mask = try #require(model.traits.maskToken)
    let start = try #require(model.tokenizer.bosToken ?? model.tokenizer.eosToken)
    let tokens = [start] + model.tokenizer.encode(Self.text, addSpecialTokens: false)
    var expected = 0.0
    for target in 1..<tokens.count {
      let block = try await BlockLogits.evaluate(
        model.network, tokens: [tokens[target - 1], mask], prefixLength: 0, visibility: .bidirectional)
      let row = model.traits.logitAlignment == .same ? 1 : 0
      expected += Self.loss(
        block.values[row * block.vocabularyCount..<(row + 1) * block.vocabularyCount], tokens[target])
    }
    let report = try await PerplexityEvaluation(windowLength: 1, stride: 1, drawCount: 3).run(
      model, texts: [Self.text])
    #expect(report.mode == .masked && abs(report.nats - expected) < 1e-4 * expected)
    #expect(report.lossError == 0)
    // With larger windows the masks vary, the seed repeats them, and the error says how much they matter.
    let wide = try PerplexityEvaluation(windowLength: 8, stride: 8, drawCount: 4, seed: 3)
    let (first, second) = (
      try await wide.run(model, texts: [Self.text]), try await wide.run(model, texts: [Self.text])
    )
    #expect(first == second && first.lossError > 0)
  }

  @Test func `models and windows that do not fit are refused`() async throws {
    let sdar = try await Self.model("sdar")
    let evaluation = try PerplexityEvaluation(windowLength: 4, stride: 2)
    await #expect(throws: PerplexityError.needsMode(family: sdar.traits.family)) {
      try await evaluation.run(sdar, texts: ["x"])
    }
    await #expect(throws: PerplexityError.notAutoregressive(family: sdar.traits.family)) {
      try await PerplexityEvaluation(windowLength: 4, stride: 2, mode: .autoregressive).run(
        sdar, texts: ["x"])
    }
    let llama = try await Self.model("llama")
    await #expect(throws: PerplexityError.notMasked(family: "llama")) {
      try await PerplexityEvaluation(windowLength: 4, stride: 2, mode: .masked).run(llama, texts: ["x"])
    }
    await #expect(throws: BenchmarkError.self) {
      try await PerplexityEvaluation(windowLength: 1 << 20, stride: 2).run(llama, texts: ["x"])
    }
    #expect(throws: BenchmarkError.self) { try PerplexityEvaluation(windowLength: 4, stride: 5) }
  }
}
