public import BlockwiseFiles

/// A token with the model's own opinion of it.
public struct TokenLogProbability: Sendable, Hashable {
  /// The token.
  public var token: TokenID
  /// Natural logarithm of the probability.
  public var logProbability: Float

  /// Pairs a token with its log-probability.
  public init(token: TokenID, logProbability: Float) {
    self.token = token
    self.logProbability = logProbability
  }
}

/// What the sampler chose.
///
/// Log-probabilities are those of the model's own distribution: the log-softmax of the logits as they came from the
/// head, before bias, penalties, constraint, temperature and filters (as vLLM's `raw_logprobs` and llama.cpp's server
/// report them). They are comparable between requests with different options, and a forced token shows how
/// little the model wanted it.
public struct SampledToken: Sendable, Hashable {
  /// The choice.
  public var token: TokenID
  /// Natural logarithm of the model's own probability of the token.
  public var logProbability: Float
  /// The model's most likely tokens, best first; as many as ``SamplingOptions/topLogProbabilityCount`` asks for.
  public var topLogProbabilities: [TokenLogProbability]

  /// Records a choice.
  public init(token: TokenID, logProbability: Float, topLogProbabilities: [TokenLogProbability] = []) {
    self.token = token
    self.logProbability = logProbability
    self.topLogProbabilities = topLogProbabilities
  }
}
