public import BlockwiseFiles
public import BlockwiseModels

/// Where guesses come from: a table of what was written before, a smaller model, heads on the hidden state.
///
/// A source lives as long as a generation. It is told of the prompt once, then it proposes and is told what came of it,
/// round by round. It may propose anything: guesses change how fast a text appears, never which (unless the rule that
/// accepts them says otherwise).
public protocol DraftSource: Sendable {
  /// How many of the most likely tokens of every row it wants to be shown; 0 for none.
  var wantedTopCount: Int { get }
  /// Whether proposing takes passes of a network, so that it has to pay before it is asked.
  var isCostly: Bool { get }

  /// For costly sources, what a step is thought to cost before it is measured, in passes of one row.
  var assumedStepCost: Double { get }

  /// Places of the model's network whose hidden states it wants of the tokens of the text.
  var wantedTaps: [OutputRequest.Tap] { get }

  /// Whether it is worth keeping for the next generation of a conversation: its own cache holds the text.
  var isKept: Bool { get }
  /// Begins another generation with what it knows from the last one.
  /// - Parameters:
  ///   - prompt: of the new generation.
  ///   - cachedCount: tokens at its front that the model's cache holds: their hidden states are not told again.
  mutating func resume(_ prompt: [TokenID], cachedCount: Int) throws

  /// Takes in hidden states of the next tokens of the text. Those of tokens that a cache held before the generation are never
  /// told; all others are, in order, each before the first proposal that can rest on it.
  mutating func read(_ states: TokenStates) async throws
  /// Takes in the tokens before the first guess; costly sources only keep them.
  mutating func start(_ prompt: [TokenID]) async throws
  /// For costly sources: the rows that ``prepare(_:)`` would read.
  func unreadCount(_ tokens: [TokenID]) throws -> Int
  /// For costly sources: reads what they have not read yet of a text, but for its last token. Asked for apart from a proposal
  /// where that is much, since it takes longer than the steps do.
  /// - Returns: the rows of that.
  mutating func prepare(_ tokens: [TokenID]) async throws -> Int
  /// Guesses what follows the last token.
  mutating func propose(_ context: DraftContext) async throws -> TokenTree
  /// Learns what was written and what the rows of the pass said.
  mutating func observe(_ round: DraftRound) async throws
}

extension DraftSource {
  /// None.
  public var wantedTopCount: Int { 0 }
  /// No.
  public var isCostly: Bool { false }
  /// No.
  public var isKept: Bool { false }
  /// Nothing to change.
  public mutating func resume(_ prompt: [TokenID], cachedCount: Int) throws {}
  /// None.
  public var wantedTaps: [OutputRequest.Tap] { [] }
  /// Cautious.
  public var assumedStepCost: Double { 0.3 }
  /// Nothing to take in.
  public mutating func read(_ states: TokenStates) async throws {}
  /// Nothing to take in.
  public mutating func start(_ prompt: [TokenID]) async throws {}
  /// None.
  public func unreadCount(_ tokens: [TokenID]) throws -> Int { 0 }
  /// Nothing to read.
  public mutating func prepare(_ tokens: [TokenID]) async throws -> Int { 0 }
  /// Nothing to learn.
  public mutating func observe(_ round: DraftRound) async throws {}
}

/// What a source may look at when it proposes.
public struct DraftContext: Sendable {
  /// All tokens so far; the last one is the root.
  public var tokens: [TokenID]
  /// More guesses than these are of no use.
  public var maximumNodeCount: Int
  /// Guesses so many tokens behind the root are the last that can be of use; at least 1.
  public var maximumDepth: Int
  /// What bounds the text, behind the root; a copy can be advanced along a path.
  public var constraint: (any TokenConstraint)?
  /// Tokens that end the text.
  public var stopTokens: Set<TokenID>
  /// How tokens are chosen: sources that sample do it alike.
  public var sampling: SamplingOptions
  /// Which of several answers to one prompt.
  public var choice: Int
  /// Counts the proposals of a generation, so that a source can draw other numbers each time.
  public var round: Int
  /// Tokens that the model knows: those that a constraint can name.
  public var vocabularyCount: Int

  /// A context; see the members.
  public init(
    tokens: [TokenID], maximumNodeCount: Int = 32, maximumDepth: Int = 32,
    constraint: (any TokenConstraint)? = nil, stopTokens: Set<TokenID> = [],
    sampling: SamplingOptions = SamplingOptions(), choice: Int = 0, round: Int = 0, vocabularyCount: Int = 0
  ) {
    self.tokens = tokens
    self.maximumNodeCount = maximumNodeCount
    self.maximumDepth = maximumDepth
    self.constraint = constraint
    self.stopTokens = stopTokens
    self.sampling = sampling
    self.choice = choice
    self.round = round
    self.vocabularyCount = vocabularyCount
  }
}

extension DraftContext {
  /// What the constraint allows behind guesses, the end where the text may end; nil without a constraint. Guesses that it
  /// forbids allow nothing.
  /// - Parameter sourceCount: tokens that the source knows; those of the mask are at least as many.
  func allowed(behind path: [TokenID], vocabularyCount sourceCount: Int) -> TokenMask? {
    guard var constraint else { return nil }
    // A constraint names tokens of the model, and a source may know fewer.
    let vocabularyCount = max(sourceCount, vocabularyCount)
    var mask = TokenMask(vocabularyCount: vocabularyCount)
    do {
      for token in path { try constraint.advance(token) }
    } catch {
      return mask
    }
    if !constraint.mustStop { constraint.allow(into: &mask) }
    if constraint.isComplete || constraint.mustStop {
      for token in stopTokens where token.index < vocabularyCount { mask.insert(token) }
    }
    return mask
  }
}

/// What came of a pass.
public struct DraftRound: Sendable {
  /// What a row of the pass said of the token behind it.
  public struct Row: Sendable, Hashable {
    /// The token of the row.
    public var token: TokenID
    /// The most likely tokens behind it with their probabilities, best first.
    public var top: [RankedGuess]
    /// Whether the row's token became part of the text.
    public var isAccepted: Bool

    /// A row; see the members.
    public init(token: TokenID, top: [RankedGuess], isAccepted: Bool) {
      self.token = token
      self.top = top
      self.isAccepted = isAccepted
    }
  }

  /// All tokens so far, new ones included; the last is the next root.
  public var tokens: [TokenID]
  /// How many of them are new since the last round.
  public var newCount: Int
  /// The rows of the pass, the root's first; empty where no source wants them.
  public var rows: [Row]

  /// A round; see the members.
  public init(tokens: [TokenID], newCount: Int, rows: [Row] = []) {
    self.tokens = tokens
    self.newCount = newCount
    self.rows = rows
  }
}

/// A token with a probability.
public struct RankedGuess: Sendable, Hashable {
  /// The token.
  public var token: TokenID
  /// 0…1.
  public var probability: Float

  /// Pairs a token with its probability.
  public init(token: TokenID, probability: Float) {
    self.token = token
    self.probability = probability
  }
}
