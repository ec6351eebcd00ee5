import ArgumentParser
import Blockwise

/// Everything of ``SamplingOptions`` as flags.
struct SamplingArguments: ParsableArguments {
  @Option(
    name: .long, parsing: .unconditional,
    help: ArgumentHelp(
      "0 always takes the most likely token; 1 samples from the model's distribution. (default: what the checkpoint "
        + "recommends, else 0)"))
  var temperature: Float?

  @Option(
    name: .long, parsing: .unconditional,
    help: "Sample from this many of the most likely tokens; 0 is all. (default: the checkpoint's, else all)")
  var topK: Int?

  @Option(
    name: .long, parsing: .unconditional,
    help: ArgumentHelp(
      "Sample from the most likely tokens that reach this probability together. (default: the checkpoint's, else 1)"
    ))
  var topP: Float?

  @Option(
    name: .long, parsing: .unconditional,
    help: ArgumentHelp(
      "Drop tokens less likely than this fraction of the most likely one. (default: the checkpoint's, else 0)"
    ))
  var minP: Float?

  @Option(
    name: .long, parsing: .unconditional,
    help: ArgumentHelp(
      "Make tokens of the last part of the text less likely by this factor; 1 is off. (default: the checkpoint's, "
        + "else 1)"))
  var repetitionPenalty: Float?

  @Option(
    name: .long, parsing: .unconditional, help: "Lower the logits of tokens that occurred by this much.")
  var presencePenalty: Float = 0

  @Option(
    name: .long, parsing: .unconditional, help: "Lower the logits of tokens by this much for each occurrence."
  )
  var frequencyPenalty: Float = 0

  @Option(
    name: .long, parsing: .unconditional,
    help: ArgumentHelp(
      "How many of the last tokens the penalties look at; -1 looks at all. (default: 64, or all for a penalty of the "
        + "checkpoint's)"))
  var penaltyWindow: Int?

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
    if let penaltyWindow, penaltyWindow < -1 {
      throw ValidationError("--penalty-window is \(penaltyWindow), expected -1 or more")
    }
    if let topK, topK < 0 { throw ValidationError("--top-k is \(topK), expected 0 or more") }
    guard Set(logitBias.map(\.token)).count == logitBias.count else {
      throw ValidationError("--logit-bias names a token twice")
    }
    do {
      try options(SamplingOptions()).validate()
    } catch {
      throw ValidationError(error.description)
    }
  }

  /// The library's options: what is given here, else what the checkpoint recommends.
  func options(_ recommended: SamplingOptions) -> SamplingOptions {
    var options = recommended
    if let temperature { options.temperature = temperature }
    if let topK { options.topK = topK == 0 ? nil : topK }
    if let topP { options.topP = topP }
    if let minP { options.minP = minP }
    if let repetitionPenalty {
      options.repetitionPenalty = repetitionPenalty
      options.penaltyWindow = SamplingOptions().penaltyWindow
    }
    if let penaltyWindow { options.penaltyWindow = penaltyWindow < 0 ? nil : penaltyWindow }
    options.presencePenalty = presencePenalty
    options.frequencyPenalty = frequencyPenalty
    options.logitBias = Dictionary(logitBias.map { ($0.token, $0.bias) }) { first, _ in first }
    options.seed = seed ?? (options.isGreedy ? 0 : UInt64.random(in: 0...UInt64(UInt32.max)))
    options.topLogProbabilityCount = logprobs ?? 0
    return options
  }

  /// Options that were given and do nothing with the others; nil when all count.
  func ineffective(_ options: SamplingOptions) -> String? {
    guard options.isGreedy else { return nil }
    let given: [(String, Bool)] = [
      ("--top-k", topK != nil && topK != 1), ("--top-p", topP != nil), ("--min-p", minP != nil),
      ("--seed", seed != nil),
    ]
    let names = given.filter(\.1).map(\.0)
    if names.isEmpty { return nil }
    let verb = names.count == 1 ? "has" : "have"
    return "\(names.joined(separator: ", ")) \(verb) no effect: the most likely token is always taken"
      + (options.temperature == 0 ? " at temperature 0" : "")
  }
}
