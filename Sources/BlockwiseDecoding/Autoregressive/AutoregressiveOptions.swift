public import BlockwiseFiles

/// How an autoregressive generation runs and when it ends.
public struct AutoregressiveOptions: Sendable {
  /// At most so many new tokens; nil goes on until a stop or the end of the context.
  public var maximumTokenCount: Int?
  /// Tokens that end the text; they are not part of it.
  public var stopTokens: Set<TokenID>
  /// How a token is drawn from its distribution.
  public var sampling: SamplingOptions
  /// Bounds what may be generated; a copy is advanced with every token.
  public var constraint: (any TokenConstraint)?
  /// Ids from here on are padding rows of the head and never drawn; nil allows the whole vocabulary.
  public var vocabularyLimit: Int?
  /// Which of several answers to one prompt this is: part of the key of the random stream.
  public var choice: Int
  /// Rows of one pass over the prompt.
  public var prefillRowCount: Int

  /// Options with defaults: greedy, no limit but the context.
  public init(
    maximumTokenCount: Int? = nil, stopTokens: Set<TokenID> = [],
    sampling: SamplingOptions = SamplingOptions(),
    constraint: (any TokenConstraint)? = nil, vocabularyLimit: Int? = nil, choice: Int = 0,
    prefillRowCount: Int = 256
  ) {
    self.maximumTokenCount = maximumTokenCount
    self.stopTokens = stopTokens
    self.sampling = sampling
    self.constraint = constraint
    self.vocabularyLimit = vocabularyLimit
    self.choice = choice
    self.prefillRowCount = prefillRowCount
  }
}
