/// What the guesses of one source have come to.
public struct DraftStatistics: Sendable, Hashable {
  /// The source as the text form spells it.
  public var source: String
  /// Guesses that went into passes, by depth: the first is one token behind the root.
  public var drafted: [Int] = []
  /// Of those, the ones that became part of the text.
  public var accepted: [Int] = []
  /// Tokens ahead that it was asked for, one after the other: passes of a draft model, levels of heads. 0 for sources that need none.
  public var stepCount = 0
  /// Time spent on proposing and learning, in seconds.
  public var seconds = 0.0

  /// Nothing counted yet.
  public init(source: String) { self.source = source }

  /// All guesses.
  public var draftedCount: Int { drafted.reduce(0, +) }
  /// All that were right.
  public var acceptedCount: Int { accepted.reduce(0, +) }

  mutating func count(depth: Int, isAccepted: Bool) {
    while drafted.count < depth {
      drafted.append(0)
      accepted.append(0)
    }
    drafted[depth - 1] += 1
    if isAccepted { accepted[depth - 1] += 1 }
  }
}
