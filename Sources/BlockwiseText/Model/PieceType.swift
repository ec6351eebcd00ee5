/// What kind of entry of a vocabulary a token is: `SentencePiece.Type`, which GGUF took over as `token_type`.
enum PieceType: Int32, Sendable {
  /// Text.
  case normal = 1
  /// Stands for what the vocabulary cannot spell.
  case unknown
  /// Controls the model; text cannot become it.
  case control
  /// Text that is always this token.
  case userDefined
  /// A piece that no text ends in.
  case unused
  /// One byte of text that is not in the vocabulary.
  case byte
}
