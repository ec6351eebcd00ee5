public import BlockwiseFiles

/// How the next token is chosen from the logits of a row.
///
/// The steps are taken in this order, the one of Hugging Face transformers:
/// bias → repetition penalty → frequency and presence penalties → constraint → temperature → top-k → top-p → min-p → draw.
/// Temperature stands before the filters, so that `topP` and `minP` speak about the distribution that is drawn from.
/// (llama.cpp applies temperature last: the same flags there keep fewer tokens at high temperatures.)
public struct SamplingOptions: Sendable, Hashable {
  /// Divides the logits; 0 chooses the most likely token, the lowest id among equals.
  public var temperature: Float
  /// Keeps this many of the most likely tokens; nil keeps all.
  public var topK: Int?
  /// Keeps the smallest set of most likely tokens whose probabilities reach this sum (nucleus sampling,
  /// arXiv 1904.09751), always at least one.
  public var topP: Float
  /// Drops tokens that are less likely than this fraction of the most likely one (arXiv 2407.01082).
  public var minP: Float
  /// Divides positive and multiplies negative logits of tokens of the window (CTRL, arXiv 1909.05858); 1 changes nothing.
  public var repetitionPenalty: Float
  /// Subtracted from the logit of every token that occurs in the window.
  public var presencePenalty: Float
  /// Subtracted from a token's logit once per occurrence in the window.
  public var frequencyPenalty: Float
  /// How many of the last tokens, prompt included, the penalties look at; nil looks at all of them.
  public var penaltyWindow: Int?
  /// Added to the logits. −∞ bans a token; +∞ bans all tokens that do not have it.
  public var logitBias: [TokenID: Float]
  /// Names the random stream. Equal seeds give equal text, whatever else the machine computes at the time.
  public var seed: UInt64
  /// How many of the most likely tokens are reported with each choice.
  public var topLogProbabilityCount: Int

  /// Options with every step switched off except those that are given.
  public init(
    temperature: Float = 0, topK: Int? = nil, topP: Float = 1, minP: Float = 0,
    repetitionPenalty: Float = 1, presencePenalty: Float = 0, frequencyPenalty: Float = 0,
    penaltyWindow: Int? = 64, logitBias: [TokenID: Float] = [:], seed: UInt64 = 0,
    topLogProbabilityCount: Int = 0
  ) {
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.minP = minP
    self.repetitionPenalty = repetitionPenalty
    self.presencePenalty = presencePenalty
    self.frequencyPenalty = frequencyPenalty
    self.penaltyWindow = penaltyWindow
    self.logitBias = logitBias
    self.seed = seed
    self.topLogProbabilityCount = topLogProbabilityCount
  }

  /// Whether the most likely token is always chosen, so that the seed does not matter.
  public var isGreedy: Bool { temperature == 0 || topK == 1 }

  /// Checks every field.
  /// - Throws: ``SamplingError/option(name:found:expected:)`` for the first field that is out of its range.
  public func validate() throws(SamplingError) {
    func check(_ name: String, _ found: Float, _ expected: String, _ isValid: Bool) throws(SamplingError) {
      guard isValid else { throw .option(name: name, found: "\(found)", expected: expected) }
    }
    try check("temperature", temperature, "a finite number ≥ 0", temperature.isFinite && temperature >= 0)
    try check("top_p", topP, "a number above 0, at most 1", topP > 0 && topP <= 1)
    try check("min_p", minP, "a number from 0 to 1", minP >= 0 && minP <= 1)
    try check(
      "repetition_penalty", repetitionPenalty, "a finite number above 0",
      repetitionPenalty.isFinite && repetitionPenalty > 0)
    try check("presence_penalty", presencePenalty, "a finite number", presencePenalty.isFinite)
    try check("frequency_penalty", frequencyPenalty, "a finite number", frequencyPenalty.isFinite)
    if let topK, topK < 1 { throw .option(name: "top_k", found: "\(topK)", expected: "at least 1") }
    if let penaltyWindow, penaltyWindow < 0 {
      throw .option(name: "penalty_window", found: "\(penaltyWindow)", expected: "at least 0")
    }
    if topLogProbabilityCount < 0 {
      throw .option(name: "top_logprobs", found: "\(topLogProbabilityCount)", expected: "at least 0")
    }
    if let (token, bias) = logitBias.filter({ $0.value.isNaN || $0.key < 0 }).min(by: { $0.key < $1.key }) {
      throw .option(
        name: "logit_bias of token \(token)", found: "\(bias)", expected: "a number for a token id ≥ 0")
    }
  }
}
