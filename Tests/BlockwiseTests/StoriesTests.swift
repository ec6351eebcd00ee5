import Blockwise
import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import BlockwiseText
import Foundation
import Testing

/// A real trained checkpoint, end to end: text in, text out, as its golden file says.
@Suite(.enabled(if: SharedData.isAvailable, "needs ../shared/data")) struct StoriesTests {
  static func golden() throws -> JSONValue {
    try JSONValue(parsing: SharedData.bytes("models/stories260K/golden.json"))
  }

  static func model() async throws -> LanguageModel {
    try await LanguageModel.load(
      SharedData.path("models/stories260K/hf"), options: ModelLoadOptions(compute: .f32, threadCount: 2))
  }

  static func ids(_ value: JSONValue, _ key: String) throws -> [TokenID] {
    try value.array(key).compactMap(\.integerValue).map { TokenID($0) }
  }

  @Test func `greedy continuations reproduce the golden ids and texts`() async throws {
    let model = try await Self.model()
    var checked = 0
    for item in try Self.golden().array("generation") {
      let prompt = try Self.ids(item, "prompt_ids")
      let expected = try Self.ids(item, "greedy_ids")
      let generation = try await model.session().complete(
        tokens: prompt, options: GenerationOptions(maximumTokenCount: expected.count, ignoresEndOfText: true))
      #expect(generation.tokens.map(\.token) == expected)
      if let text = try item.stringIfPresent("prompt"), !text.isEmpty {
        #expect(model.tokenizer.encode(text) == prompt, "\(text)")
      }
      checked += 1
    }
    #expect(checked > 0)
  }

  @Test func `logits and their log-sum-exp at marked positions are the golden ones`() async throws {
    let model = try await Self.model()
    let golden = try Self.golden()
    let plan = BlockPlan(
      tokens: try Self.ids(golden, "logits_prompt_ids"), at: 0, outputs: OutputRequest(rows: .all))
    let result = BlockResultBuffer()
    try await model.network.forward(
      [SequencePass(plan: plan, cache: try model.network.makeCache())], into: result)
    for item in try golden.array("logits") {
      let position = try item.integer("pos")
      let logits = result.logits(output: position)
      let top = try item.array("top5_logits").compactMap(\.numberValue)
      for (token, logit) in zip(try Self.ids(item, "top5_ids"), top) {
        #expect(abs(Double(logits[token.index]) - logit) < 2e-5 * 20, "position \(position), token \(token)")
      }
      let logSumExp = Double(result.statistics(output: position).logSumExp)
      #expect(abs(logSumExp - (try item.number("logsumexp"))) < 2e-5 * 20)
    }
  }

  @Test func `the likelihood of whole stories is the golden one`() async throws {
    let model = try await Self.model()
    let text = String(
      decoding: try SharedData.bytes("text/tinystories-samples/tinystories.txt"), as: UTF8.self)
    let stories = Self.stories(text)
    for item in try Self.golden().array("perplexity") {
      let story = stories[try item.integer("story_index")]
      let tokens = model.tokenizer.encode(story)
      #expect(tokens.count - 1 == (try item.integer("tokens_scored")), "\(story.prefix(40))")
      let result = BlockResultBuffer()
      let plan = BlockPlan(tokens: tokens, at: 0, outputs: OutputRequest(rows: .all))
      try await model.network.forward(
        [SequencePass(plan: plan, cache: try model.network.makeCache())], into: result)
      var sum = 0.0
      for position in 1..<tokens.count {
        let logits = result.logits(output: position - 1)
        sum += Double(result.statistics(output: position - 1).logSumExp - logits[tokens[position].index])
      }
      let mean = sum / Double(tokens.count - 1)
      #expect(abs(mean - (try item.number("mean_nll"))) < 1e-4)
    }
  }

  /// Stories are separated by lines that hold an end-of-text mark.
  static func stories(_ text: String) -> [String] {
    text.components(separatedBy: "<|endoftext|>").map { $0.trimmingCharacters(in: .newlines) }.filter {
      !$0.isEmpty
    }
  }
}
