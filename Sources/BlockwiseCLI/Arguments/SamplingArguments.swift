import ArgumentParser
import Blockwise

/// Everything of ``SamplingOptions`` as flags.
struct SamplingArguments: ParsableArguments {
  @Option(
    name: .long, parsing: .unconditional,
    help: "0 always takes the most likely token; 1 samples from the model's distribution.")
  var temperature: Float = 0

  @Option(
    name: .long, parsing: .unconditional,
    help: "Sample from this many of the most likely tokens. (default: all)")
  var topK: Int?

  @Option(
    name: .long, parsing: .unconditional,
    help: "Sample from the most likely tokens that reach this probability together.")
  var topP: Float = 1

  @Option(
    name: .long, parsing: .unconditional,
    help: "Drop tokens less likely than this fraction of the most likely one.")
  var minP: Float = 0

  @Option(
    name: .long, parsing: .unconditional,
    help: "Make tokens of the last part of the text less likely by this factor; 1 is off.")
  var repetitionPenalty: Float = 1

  @Option(
    name: .long, parsing: .unconditional, help: "Lower the logits of tokens that occurred by this much.")
  var presencePenalty: Float = 0

  @Option(
    name: .long, parsing: .unconditional, help: "Lower the logits of tokens by this much for each occurrence."
  )
  var frequencyPenalty: Float = 0

  @Option(
    name: .long, parsing: .unconditional,
    help: "How many of the last tokens the penalties look at; -1 looks at all.")
  var penaltyWindow: Int = 64

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Add to the logit of a token; -inf bans it, inf bans all others. Can be repeated.", valueName: "id=bias"
    ),
    transform: LogitBias.parse)
  var logitBias: [LogitBias] = []

  @Option(
    name: .long, parsing: .unconditional, help: "Equal seeds give equal text. (default: a new one each time)")
  var seed: UInt64?

  @Option(
    name: .long, parsing: .unconditional,
    help: "Report log-probabilities in the JSON: of each token and this many of the most likely ones.")
  var logprobs: Int?

  /// One `--logit-bias`.
  struct LogitBias {
    var token: TokenID
    var bias: Float

    static func parse(_ text: String) throws -> LogitBias {
      let parts = text.split(separator: "=", omittingEmptySubsequences: false)
      guard parts.count == 2, let id = Int32(parts[0]), id >= 0, let bias = Float(parts[1]), !bias.isNaN
      else {
        throw ValidationError("write it as ID=BIAS, such as 17=-2.5")
      }
      return LogitBias(token: TokenID(id), bias: bias)
    }
  }

  func validate() throws {
    guard penaltyWindow >= -1 else {
      throw ValidationError("--penalty-window is \(penaltyWindow), expected -1 or more")
    }
    guard Set(logitBias.map(\.token)).count == logitBias.count else {
      throw ValidationError("--logit-bias names a token twice")
    }
    do {
      try options(seed: 0).validate()
    } catch {
      throw ValidationError(error.description)
    }
  }

  /// The library's options for these arguments.
  func options(seed: UInt64) -> SamplingOptions {
    SamplingOptions(
      temperature: temperature, topK: topK, topP: topP, minP: minP, repetitionPenalty: repetitionPenalty,
      presencePenalty: presencePenalty, frequencyPenalty: frequencyPenalty,
      penaltyWindow: penaltyWindow < 0 ? nil : penaltyWindow,
      logitBias: Dictionary(logitBias.map { ($0.token, $0.bias) }) { first, _ in first }, seed: seed,
      topLogProbabilityCount: logprobs ?? 0)
  }
}
