internal import BlockwiseFiles
internal import BlockwiseModels

/// Guesses what a constraint leaves no choice about: such tokens are right by construction, so that a schema's fixed parts
/// come with the pass that was due anyway.
public struct ForcedSource: DraftSource {
  /// Most guesses of one proposal.
  public let guessCount: Int
  private let vocabularyCount: Int

  /// A source for a vocabulary.
  public init(vocabularyCount: Int, guessCount: Int = 32) {
    self.vocabularyCount = vocabularyCount
    self.guessCount = guessCount
  }

  /// A chain; nothing without a constraint.
  public mutating func propose(_ context: DraftContext) throws -> TokenTree {
    var tree = TokenTree()
    guard var constraint = context.constraint else { return tree }
    var mask = TokenMask(vocabularyCount: vocabularyCount)
    var parent = -1
    while tree.count < min(guessCount, context.maximumDepth, context.maximumNodeCount) {
      // Where the text may end, the end is a choice.
      if constraint.isComplete || constraint.mustStop { break }
      constraint.allow(into: &mask)
      guard let token = mask.onlyMember else { break }
      parent = tree.insert(token, parent: parent, confidence: 1)
      try constraint.advance(token)
    }
    return tree
  }
}
