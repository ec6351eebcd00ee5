internal import BlockwiseFiles

/// What the loaders read from a file and hand to ``Tokenizer``.
struct TokenizerParts: Sendable {
  /// The model's own tokens, without those that were only added later.
  var vocabulary: Vocabulary
  var encoder: WordEncoder
  var addedTokens: [AddedToken] = []
  var normalizers: [TextNormalizer] = []
  var preTokenizers: [PreTokenizer] = []
  /// Tokens before and behind a text that is encoded with special tokens.
  var prefix: [Int32] = []
  var suffix: [Int32] = []
  var decoder: [DecoderStep] = []
  var special = SpecialTokens()
  var warnings: [String] = []
}

/// The tokens with a role.
struct SpecialTokens: Sendable {
  var bos: TokenID?
  var eos: TokenID?
  var mask: TokenID?
  var pad: TokenID?
  var unknown: TokenID?
}
