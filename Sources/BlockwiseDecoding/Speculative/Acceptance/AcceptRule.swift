public import BlockwiseFiles
public import BlockwiseModels

/// Slot *accept*: what becomes of the guesses when the model has seen them.
public protocol AcceptRule: RecipePolicy {
  /// Whether the text can follow another distribution than that of plain decoding.
  var isLossy: Bool { get }
  /// Whether guesses that were drawn have to be judged by what they were drawn from, so that a tree must be taken as it was
  /// drawn.
  var needsWholeTree: Bool { get }
  /// Whether other guesses can give another text for the same seed, so that the tree must not follow measured times.
  var textFollowsGuesses: Bool { get }
  /// Decides the token behind a node (−1 for the root), and which child goes on, if one does.
  mutating func decide(
    _ node: Int, of tree: TokenTree, with reader: inout RowReader
  ) throws -> AcceptVerdict
}

/// What a rule decided.
public struct AcceptVerdict: Sendable, Hashable {
  /// The token that comes next.
  public var sampled: SampledToken
  /// The guess that is this token, so that its row says what comes after it; nil ends the pass.
  public var next: Int?

  /// A verdict.
  public init(_ sampled: SampledToken, next: Int?) {
    self.sampled = sampled
    self.next = next
  }
}

/// The rows of a pass as a rule reads them: the node's row stands behind the text so far.
public struct RowReader: Sendable {
  /// Draws, and knows the options.
  var sampler: Sampler
  /// The pass.
  let result: BlockResultBuffer
  /// Which of several answers to one prompt.
  let choice: Int
  /// All tokens that are decided.
  public internal(set) var history: [TokenID]
  /// What the constraint allows next; nil allows all.
  public internal(set) var allowed: TokenMask?

  /// The position of the token that is decided.
  public var position: Int { history.count }

  /// Draws the token behind a node as plain decoding does: position and seed alone decide about the random number.
  public mutating func sample(_ node: Int) throws -> SampledToken {
    try result.withLogits(output: node + 1) { logits in
      try sampler.sample(
        logits: logits, history: history, position: position, choice: choice, mask: allowed,
        statistics: result.statistics(output: node + 1))
    }
  }

  /// What ``sample(_:)`` would draw from: tokens and probabilities in the order of the ids.
  /// - Parameter path: guesses between the text so far and the row, which penalties have to see.
  public mutating func distribution(
    _ node: Int, behind path: [TokenID] = []
  ) throws -> [(token: TokenID, probability: Float)] {
    try result.withLogits(output: node + 1) { logits in
      try sampler.distribution(
        logits: logits, history: history + path, position: position + path.count,
        mask: path.isEmpty ? allowed : nil)
    }
  }

  /// A token that was decided otherwise, with the model's opinion of it.
  public mutating func describe(_ token: TokenID, _ node: Int) throws -> SampledToken {
    try result.withLogits(output: node + 1) { logits in
      try sampler.describe(
        token, logits: logits, position: position, statistics: result.statistics(output: node + 1))
    }
  }

  /// A random number of this position.
  public func uniform(_ purpose: CounterRandom.Purpose, draw: Int = 0) -> Double {
    CounterRandom(seed: sampler.options.seed, choice: UInt32(truncatingIfNeeded: choice))
      .uniform(position: position, purpose: purpose, draw: UInt32(truncatingIfNeeded: draw))
  }
}

/// The rules there are.
enum AcceptRules {
  static let all: [any RecipePolicy.Type] = [
    ExactAcceptance.self, RejectionAcceptance.self, TypicalAcceptance.self,
  ]
  static let missing: [String: String] = [
    "nucleus": "drawing along every path on its own, as REST and ADED do, changes the distribution"
  ]
}
