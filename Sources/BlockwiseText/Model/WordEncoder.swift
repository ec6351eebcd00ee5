/// How a tokenizer turns one pre-token into tokens.
enum WordEncoder: Sendable {
  /// Ranked merges over byte symbols or scalars.
  case merges(MergeEncoder)
  /// SentencePiece byte-pair encoding by score.
  case scores(ScoreEncoder)
}

/// Buffers that live through one call of `encode`, so that words cost no allocation.
struct EncodingScratch {
  var merger = SymbolMerger()
  var spelled: [UInt8] = []
  var boundaries: [Int] = []
  var endsInUnknown = false
}
