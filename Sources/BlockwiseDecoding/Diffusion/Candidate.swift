public import BlockwiseFiles
internal import Foundation

/// What the network says of one slot of the open block in one pass.
public struct Candidate: Sendable, Hashable {
  /// The token that would be decided: the most likely one, or a draw.
  public var token: TokenID
  /// The model's own probability of ``token``.
  public var probability: Float
  /// Its logarithm, which does not underflow.
  public var logProbability: Float
  /// Probability of the most likely token.
  public var first: Float
  /// Probability of the second most likely token.
  public var second: Float
  /// Shannon entropy of the distribution, in nats.
  public var entropy: Float
  /// Kullback–Leibler divergences from the distribution of the pass before, newest first, of the passes since the block was
  /// opened; filled only where a policy asks for them.
  public var divergences: [Float]
  /// The most likely tokens, best first, where the request wants them reported.
  public var alternatives: [TokenLogProbability] = []

  /// A candidate.
  public init(
    token: TokenID, probability: Float, first: Float? = nil, second: Float = 0, entropy: Float = 0,
    divergences: [Float] = []
  ) {
    self.token = token
    self.probability = probability
    logProbability = log(probability)
    self.first = first ?? probability
    self.second = second
    self.entropy = entropy
    self.divergences = divergences
  }
}

/// What commit policies decide on: the open block in one pass.
public struct BlockStep: Sendable {
  /// Absolute position of the first slot.
  public var start: Int
  /// What the network says of each slot; nil where it was not asked.
  public var candidates: [Candidate?]
  /// Whether a slot still holds a mask and may be decided now.
  public var isOpen: [Bool]
  /// The scorer's opinion of the open slots; −∞ elsewhere.
  public var scores: [Float]
  /// Passes over this block (or this sub-block) before this one.
  public var pass: Int
  /// Slots that the schedule of quotas is spread over: those of the block or sub-block.
  public var scheduledCount: Int
  /// A random number in [0, 1) for a slot and this pass.
  public var random: @Sendable (_ slot: Int) -> Double

  /// A step.
  public init(
    start: Int = 0, candidates: [Candidate?], isOpen: [Bool], scores: [Float], pass: Int = 0,
    scheduledCount: Int? = nil, random: @escaping @Sendable (Int) -> Double = { _ in 0 }
  ) {
    self.start = start
    self.candidates = candidates
    self.isOpen = isOpen
    self.scores = scores
    self.pass = pass
    self.scheduledCount = scheduledCount ?? candidates.count
    self.random = random
  }

  /// The open slots, the best first; of equals the leftmost.
  public var ranked: [Int] {
    openSlots.sorted { (scores[$0], $1) > (scores[$1], $0) }
  }

  /// The open slots from left to right.
  public var openSlots: [Int] { isOpen.indices.filter { isOpen[$0] && candidates[$0] != nil } }

  /// The probability of the token that a slot would get; 0 where the network was not asked.
  public func probability(_ slot: Int) -> Float { candidates[slot]?.probability ?? 0 }
}

/// Statistics that a policy needs beside those that every pass brings.
public struct StatisticNeeds: OptionSet, Sendable {
  /// The bits.
  public let rawValue: Int
  /// A set from its bits.
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// Candidates of decided slots too.
  public static let allSlots = StatisticNeeds(rawValue: 1)
  /// ``Candidate/divergences``.
  public static let divergence = StatisticNeeds(rawValue: 2)
}
