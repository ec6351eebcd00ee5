/// What to generate and when to end.
public struct GenerationOptions: Sendable {
  /// How tokens are decided.
  public enum Method: String, Sendable, Hashable, CaseIterable {
    /// Chosen from the model's traits.
    case auto
    /// One token per pass, from left to right.
    case autoregressive = "ar"
    /// Masks filled several in a pass.
    case diffusion
    /// From left to right, with guesses that one pass judges together.
    case speculative
  }

  /// How tokens are decided.
  public var method: Method
  /// At most so many new tokens; nil goes on until a stop or the end of the context.
  public var maximumTokenCount: Int?
  /// How a token is drawn from its distribution.
  public var sampling: SamplingOptions
  /// Texts that end the generation; they are not part of the output.
  public var stopStrings: [String]
  /// Tokens that end the generation besides the model's own end tokens.
  public var stopTokens: Set<TokenID>
  /// Goes on behind the model's end tokens.
  public var ignoresEndOfText: Bool
  /// Lets control tokens appear in the text.
  public var showsSpecialTokens: Bool
  /// Bounds what may be generated.
  public var constraint: (any TokenConstraint)?
  /// How masks are filled, in the text form of ``DenoiseRecipe``; nil takes what suits the model.
  public var recipe: String?
  /// How text is guessed ahead, in the text form of ``DraftRecipe``; nil takes `auto` where the model is not too small for it
  /// to pay (64 MiB), `none` guesses nothing.
  public var draft: String?
  /// What the answer is expected to resemble, as tokens: guesses follow it. Empty for nothing.
  public var expectedTokens: [TokenID] = []
  /// What passes cost, for the decision how much to guess; nil takes what the model knows of itself, or learns it from the passes.
  public var costCurve: CostCurve?
  /// What a step of a draft model or of heads is taken to cost, in passes of one row, where ``costCurve`` is that of another model;
  /// nil measures it.
  public var draftStepCost: Double?
  /// Slots behind the prompt, some of them known: the others are filled. Nil for as many unknown ones as
  /// ``maximumTokenCount`` says. Needs a model that fills masks.
  public var canvas: [TokenID?]?
  /// Reports how a block settles, as ``SessionEvent/preview(_:)``.
  public var showsPreviews = false

  /// Options with defaults: greedy, at most 256 new tokens.
  public init(
    method: Method = .auto, maximumTokenCount: Int? = 256, sampling: SamplingOptions = SamplingOptions(),
    stopStrings: [String] = [], stopTokens: Set<TokenID> = [], ignoresEndOfText: Bool = false,
    showsSpecialTokens: Bool = false, constraint: (any TokenConstraint)? = nil
  ) {
    self.method = method
    self.maximumTokenCount = maximumTokenCount
    self.sampling = sampling
    self.stopStrings = stopStrings
    self.stopTokens = stopTokens
    self.ignoresEndOfText = ignoresEndOfText
    self.showsSpecialTokens = showsSpecialTokens
    self.constraint = constraint
  }
}
