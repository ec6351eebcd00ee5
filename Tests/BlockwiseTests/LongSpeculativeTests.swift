import Blockwise
import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import Foundation
import Testing

extension Tag {
  /// Takes minutes; runs with `BLOCKWISE_LONG_TESTS=1`.
  @Tag static var long: Self
}

/// Every source on the shipped model over hundreds of prompts: texts equal plain decoding's, greedy and sampled.
@Suite(.tags(.long), .enabled(if: ProcessInfo.processInfo.environment["BLOCKWISE_LONG_TESTS"] == "1"))
struct LongSpeculativeTests {
  static let models = SharedData.packageFolder + "/Models"

  /// A folder of heads that are trained by recipes and not shipped.
  static let heads = ProcessInfo.processInfo.environment["BLOCKWISE_HEADS"]
  static let sources = all.filter { heads != nil || !$0.contains("HEADS") }
  private static let all = [
    "lookup", "ngram", "ngram:MODELS/base/draft.ngrams", "suffix", "recycle", "adaptive", "aded", "given",
    "model(4):MODELS/draft",
    "eagle:MODELS/heads/base-eagle", "medusa:HEADS/medusa", "hydra:HEADS/hydra", "hydra:HEADS/hydra-prefix",
    "suffix+adaptive+recycle", "auto+model(4):MODELS/draft+eagle(3,2):MODELS/heads/base-eagle",
  ]
  static let shapes = ["all", "best(1)", "best(6)", "cost(32)", "cost(16,0.5)"]
  static let samplings: [SamplingOptions] = [
    SamplingOptions(), SamplingOptions(temperature: 0.8, topP: 0.95, seed: 11),
    SamplingOptions(repetitionPenalty: 1.2), SamplingOptions(temperature: 1.1, topK: 40, seed: 3),
  ]

  /// The questions of the held-out tasks and the beginnings of the stories.
  static func prompts(_ model: LanguageModel) throws -> [[TokenID]] {
    var prompts: [[TokenID]] = []
    for name in try FileManager.default.contentsOfDirectory(atPath: models + "/tasks").sorted()
    where name.hasSuffix(".jsonl") {
      let text = try String(contentsOfFile: "\(models)/tasks/\(name)", encoding: .utf8)
      for line in text.split(separator: "\n") {
        let record = try JSONValue(parsing: Array(line.utf8))
        if let messages = try record.arrayIfPresent("messages") {
          let chat = try messages.map {
            ChatMessage(
              role: ChatMessage.Role(rawValue: try $0.string("role")), content: try $0.string("content"))
          }
          prompts.append(try model.chatTokens(chat))
        } else if let text = try record.stringIfPresent("text") {
          prompts.append(Array(model.promptTokens(text).prefix(40)))
        }
      }
    }
    return prompts
  }

  @Test(arguments: sources) func `500 prompts of 32 tokens are those of plain decoding`(source: String)
    async throws
  {
    let draft = source.replacing("MODELS", with: Self.models).replacing("HEADS", with: Self.heads ?? "")
    let model = try await LanguageModel.load(Self.models + "/base")
    let prompts = try Self.prompts(model)
    #expect(prompts.count >= 500)
    let (plain, guessing) = (try model.session(), try model.session())
    var accepted = 0
    for (index, prompt) in prompts.enumerated() {
      // Shapes and samplings go round at different speeds, so that every pair of them meets.
      var options = GenerationOptions(maximumTokenCount: 32)
      options.sampling = Self.samplings[index % Self.samplings.count]
      options.method = .autoregressive
      let expected = try await plain.complete(tokens: prompt, options: options)
      options.method = .auto
      options.draft = "\(draft),shape=\(Self.shapes[index % Self.shapes.count])"
      if source == "given" {
        options.expectedTokens = Array(expected.tokens.map(\.token).dropFirst(3)) + [7, 8]
      }
      let found = try await guessing.complete(tokens: prompt, options: options)
      #expect(found.tokens == expected.tokens, "prompt \(index), \(options.draft ?? "")")
      #expect(found.text == expected.text && found.finishReason == expected.finishReason, "prompt \(index)")
      accepted += found.statistics.drafts.reduce(0) { $0 + $1.acceptedCount }
    }
    #expect(accepted > 0)
  }

  /// What was drawn by rejection must be as likely as what plain sampling draws.
  @Test func `texts drawn by rejection are as likely as texts of plain sampling`() async throws {
    let model = try await LanguageModel.load(Self.models + "/base")
    let prompts = try Self.prompts(model)
    let session = try model.session()
    func mean(_ draft: String) async throws -> (mean: Double, error: Double) {
      var values: [Double] = []
      for (index, prompt) in prompts.enumerated() {
        var options = GenerationOptions(maximumTokenCount: 32)
        // The model itself, so that log-probabilities are those of the distribution that is drawn from.
        options.sampling = SamplingOptions(temperature: 1, seed: UInt64(index))
        options.draft = draft
        let tokens = try await session.complete(tokens: prompt, options: options).tokens
        if !tokens.isEmpty {
          values.append(tokens.reduce(0) { $0 + Double($1.logProbability) } / Double(tokens.count))
        }
      }
      let mean = values.reduce(0, +) / Double(values.count)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
      return (mean, (variance / Double(values.count)).squareRoot())
    }
    let plain = try await mean("none")
    for draft in ["model(4):", "model(4,3):"] {
      let drawn = try await mean("\(draft)\(Self.models)/draft,accept=reject")
      let error = (plain.error * plain.error + drawn.error * drawn.error).squareRoot()
      #expect(abs(plain.mean - drawn.mean) < 3 * error, "\(draft): \(plain), \(drawn)")
    }
  }
}
