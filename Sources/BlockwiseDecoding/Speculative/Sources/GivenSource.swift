public import BlockwiseFiles

/// Guesses along a text that the answer is expected to resemble: a predicted output, the file that is being edited.
///
/// It follows the given text token by token. Where the answer leaves it, the source looks for the last few tokens of the
/// answer in the given text, nearest behind the place where it was left, and goes on there.
public struct GivenSource: DraftSource {
  /// What is expected.
  public let expected: [TokenID]
  /// Most guesses of one proposal.
  public let guessCount: Int
  /// Tokens that must agree before a place counts.
  private static let agreement = 2

  /// Where the answer is in the expected text: the index of the token that comes next; nil where it has been lost.
  private var place: Int? = 0
  private var lostAt = 0
  /// Tokens that agreed in a row, which is what the confidence rests on.
  private var run = 0
  private var readCount = 0

  /// A source for an expected text.
  public init(_ expected: [TokenID], guessCount: Int = 32) {
    self.expected = expected
    self.guessCount = guessCount
  }

  /// The answer begins behind the prompt.
  public mutating func start(_ prompt: [TokenID]) { readCount = prompt.count }

  /// Follows what is new.
  public mutating func observe(_ round: DraftRound) {
    for index in readCount..<max(readCount, round.tokens.count) {
      let token = round.tokens[index]
      if let known = place, known < expected.count, expected[known] == token {
        place = known + 1
        run += 1
        continue
      }
      if let known = place { lostAt = known }
      place = find(Array(round.tokens[...index].suffix(Self.agreement)))
      run = 0
    }
    readCount = max(readCount, round.tokens.count)
  }

  /// The place behind an occurrence of `tail`: the nearest from where the text was lost on, else the nearest before.
  private func find(_ tail: [TokenID]) -> Int? {
    guard tail.count == Self.agreement, expected.count >= tail.count else { return nil }
    let starts = 0...expected.count - tail.count
    func fits(_ start: Int) -> Bool { expected[start..<start + tail.count].elementsEqual(tail) }
    let middle = min(max(0, lostAt - tail.count), starts.upperBound)
    return ((middle...starts.upperBound).first(where: fits) ?? (0..<middle).last(where: fits)).map {
      $0 + tail.count
    }
  }

  /// A chain.
  public mutating func propose(_ context: DraftContext) -> TokenTree {
    guard let place, place < expected.count else { return TokenTree() }
    let count = min(guessCount, context.maximumDepth, context.maximumNodeCount)
    return TokenTree(
      chain: expected[place...].prefix(count), confidence: Float(run + 3) / Float(run + 4))
  }
}
