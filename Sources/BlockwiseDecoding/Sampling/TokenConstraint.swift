public import BlockwiseFiles
public import BlockwiseModels

/// Says which tokens may come next, so that the text stays inside a language.
///
/// A constraint has value semantics: a copy is a fork, which speculative decoding needs for the branches of a draft
/// and diffusion decoding for what-if questions.
public protocol TokenConstraint: Sendable {
  /// Takes a token into the text. The token must be one that ``allow(into:)`` permits.
  /// - Throws: an error of the constraint's own when the token is not permitted; the constraint is then unchanged.
  mutating func advance(_ token: TokenID) throws

  /// Replaces the contents of `mask` by the tokens that may come next. The end of the sequence is not among them:
  /// the decoder adds it while ``isComplete`` holds.
  func allow(into mask: inout TokenMask)

  /// Whether the text so far is a sentence of the language, so that it may end here.
  var isComplete: Bool { get }

  /// Whether nothing but the end may follow.
  var mustStop: Bool { get }
}
