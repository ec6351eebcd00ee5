public import BlockwiseFiles

/// How a diffusion generation runs and when it ends.
public struct DiffusionOptions: Sendable {
  /// How masks are filled.
  public var recipe: DenoiseRecipe
  /// Tokens that end the text; they are not part of it.
  public var stopTokens: Set<TokenID>
  /// How a token is drawn from its distribution. Positions keep their random number from pass to pass.
  public var sampling: SamplingOptions
  /// Ids from here on are padding rows of the head and never drawn; nil allows the whole vocabulary.
  public var vocabularyLimit: Int?
  /// Tokens at which adaptive blocks may end, those whose text ends with a line end.
  public var delimiters: Set<TokenID>
  /// Which of several answers to one prompt this is: part of the key of the random stream.
  public var choice: Int
  /// Rows of one pass over the prompt, where it can be cut.
  public var prefillRowCount: Int

  /// Options with defaults: greedy.
  public init(
    recipe: DenoiseRecipe, stopTokens: Set<TokenID> = [], sampling: SamplingOptions = SamplingOptions(),
    vocabularyLimit: Int? = nil, delimiters: Set<TokenID> = [], choice: Int = 0, prefillRowCount: Int = 256
  ) {
    self.recipe = recipe
    self.stopTokens = stopTokens
    self.sampling = sampling
    self.vocabularyLimit = vocabularyLimit
    self.delimiters = delimiters
    self.choice = choice
    self.prefillRowCount = prefillRowCount
  }
}
