/// How a tokenizer turns one pre-token into tokens.
enum WordEncoder: Sendable {
  /// Ranked merges over byte symbols or scalars.
  case merges(MergeEncoder)
  /// SentencePiece byte-pair encoding by score.
  case scores(ScoreEncoder)
  /// The unigram language model.
  case unigram(UnigramEncoder)
}

/// Buffers that live through one call of `encode`, so that words cost no allocation.
struct EncodingScratch {
  var merger = SymbolMerger()
  var spelled: [UInt8] = []
  var boundaries: [Int] = []
  var endsInUnknown = false
  /// Unused token → the parts it was last seen made of.
  var unusedParts: [Int32: (left: Int32, leftLength: Int, right: Int32)] = [:]
  var lattice: [LatticeNode] = []
  var path: [(token: Int32, start: Int, end: Int)] = []
}
