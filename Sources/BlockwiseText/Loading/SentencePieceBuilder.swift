/// Puts together what SentencePiece vocabularies need, whichever file they come from.
enum SentencePieceBuilder {
  /// A unigram model with its normaliser and decoder.
  static func unigram(
    _ vocabulary: Vocabulary, scores: [Float], types: [PieceType], unknown: Int32, fallsBackToBytes: Bool,
    _ normalizer: SentencePieceNormalizer
  ) -> TokenizerParts {
    var encoder = UnigramEncoder(
      vocabulary: vocabulary, scores: scores.map { Double($0) }, unknownToken: unknown,
      reference: .sentencePiece
    ) { index in
      switch types[index] {
      case .normal: .normal
      case .userDefined: .userDefined
      case .unknown, .control, .unused, .byte: .excluded
      }
    }
    encoder.fallsBackToBytes = fallsBackToBytes
    return parts(vocabulary, .unigram(encoder), types, fallsBackToBytes, normalizer)
  }

  /// Byte-pair encoding by score with its normaliser and decoder.
  static func pairs(
    _ vocabulary: Vocabulary, scores: [Float], types: [PieceType], unknown: Int32, fallsBackToBytes: Bool,
    _ normalizer: SentencePieceNormalizer
  ) -> TokenizerParts {
    let encoder = ScoreEncoder(
      vocabulary: vocabulary, scores: scores,
      isMergeable: types.map { $0 == .normal || $0 == .userDefined || $0 == .unused },
      unknownToken: unknown, frozen: userDefined(vocabulary, types),
      isUnused: types.contains(.unused) ? types.map { $0 == .unused } : [],
      fallback: fallsBackToBytes ? .bytes : .unknown)
    return parts(vocabulary, .scores(encoder), types, fallsBackToBytes, normalizer)
  }

  private static func parts(
    _ vocabulary: Vocabulary, _ encoder: WordEncoder, _ types: [PieceType], _ fallsBackToBytes: Bool,
    _ normalizer: SentencePieceNormalizer
  ) -> TokenizerParts {
    var normalizer = normalizer
    normalizer.userDefined = userDefined(vocabulary, types)
    var parts = TokenizerParts(vocabulary: vocabulary, encoder: encoder)
    parts.normalizers = [.sentencePiece(normalizer)]
    parts.decoder = [.replace(SpaceMark.bytes, with: [0x20])]
    if fallsBackToBytes { parts.decoder.append(.byteFallback) }
    parts.decoder.append(.fuse)
    if normalizer.addsPrefix { parts.decoder.append(.strip([0x20], start: 1, stop: 0)) }
    return parts
  }

  private static func userDefined(_ vocabulary: Vocabulary, _ types: [PieceType]) -> ByteTrie {
    ByteTrie(
      types.indices.filter { types[$0] == .userDefined }.map {
        (vocabulary.text($0), Int32(truncatingIfNeeded: $0))
      })
  }
}
