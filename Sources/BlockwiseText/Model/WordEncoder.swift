/// How a tokenizer turns one pre-token into tokens.
enum WordEncoder: Sendable {
  /// Ranked merges over byte symbols or scalars.
  case merges(MergeEncoder)
  /// SentencePiece byte-pair encoding by score.
  case scores(ScoreEncoder)
}

/// Byte-pair encoding by merge rank (Sennrich et al., arXiv 1508.07909), byte-level or with byte fallback.
struct MergeEncoder: Sendable {
  var merges: MergeTable
  /// Byte → token of the byte's symbol (byte-level), or of `<0xNN>` (byte fallback); −1: none.
  var byteTokens: [Int32]
  /// ASCII byte → token of that scalar, for encoders that work on scalars; −1: none.
  var asciiTokens: [Int32]
  /// Words arrive as raw bytes and start as byte symbols.
  var isByteLevel: Bool
  /// Scalars that the vocabulary lacks become `<0xNN>` tokens.
  var fallsBackToBytes = false
  /// Token for what nothing else covers; −1: dropped.
  var unknownToken: Int32 = -1
  /// Adjacent unknown scalars become one unknown token.
  var fusesUnknown = false
  /// A word that is a token is that token, whatever the merges say.
  var prefersWholeWords = false

  /// Looks up the tokens that single bytes start from.
  init(merges: MergeTable, vocabulary: Vocabulary, isByteLevel: Bool) {
    self.merges = merges
    self.isByteLevel = isByteLevel
    byteTokens = (0...UInt8.max).map { byte in
      guard isByteLevel else { return vocabulary.find(DecoderStep.name(ofByte: byte)) }
      var spelled: [UInt8] = []
      UTF8Text.append(ByteAlphabet.scalars[Int(byte)], to: &spelled)
      return vocabulary.find(spelled)
    }
    asciiTokens = (0..<128).map { vocabulary.find([UInt8($0)]) }
  }

  func encode(
    _ word: UnsafeBufferPointer<UInt8>, vocabulary: Vocabulary, scratch: inout EncodingScratch,
    into output: inout [Int32]
  ) {
    if word.isEmpty { return }
    if prefersWholeWords {
      let whole = find(wholeWord: word, vocabulary, &scratch)
      if whole >= 0 {
        output.append(whole)
        return
      }
    }
    scratch.merger.removeAll()
    if isByteLevel {
      byteTokens.withUnsafeBufferPointer { byteTokens in
        for byte in word {
          let token = byteTokens[Int(byte)]
          // The reference drops bytes that the vocabulary does not have when there is no unknown token.
          if token >= 0 { scratch.merger.append(token) } else { appendUnknown(&scratch) }
        }
      }
    } else {
      appendScalars(of: word, vocabulary, &scratch)
    }
    scratch.merger.merge { left, right in
      guard let merge = merges.find(left.token, right.token) else { return nil }
      return (UInt64(merge.rank), merge.token)
    }
    for symbol in scratch.merger.symbols { output.append(symbol.token) }
  }

  private func find(
    wholeWord word: UnsafeBufferPointer<UInt8>, _ vocabulary: Vocabulary, _ scratch: inout EncodingScratch
  ) -> Int32 {
    guard isByteLevel else { return vocabulary.find(word) }
    // Spelling never makes a word shorter, so anything longer than the longest token is not one.
    guard word.count <= vocabulary.longestLength else { return -1 }
    scratch.spelled.removeAll(keepingCapacity: true)
    ByteAlphabet.spell(word, into: &scratch.spelled)
    return scratch.spelled.withUnsafeBufferPointer { vocabulary.find($0) }
  }

  private func appendScalars(
    of word: UnsafeBufferPointer<UInt8>, _ vocabulary: Vocabulary, _ scratch: inout EncodingScratch
  ) {
    scratch.endsInUnknown = false
    var index = 0
    while index < word.count {
      let length = UTF8Text.scalar(word, at: index).length
      let scalar = UnsafeBufferPointer(rebasing: word[index..<index + length])
      index += length
      let token = length == 1 ? asciiTokens[Int(scalar[0])] : vocabulary.find(scalar)
      if token >= 0 {
        scratch.endsInUnknown = false
        scratch.merger.append(token)
      } else if fallsBackToBytes, scalar.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
        scratch.endsInUnknown = false
        for byte in scalar { scratch.merger.append(byteTokens[Int(byte)]) }
      } else {
        appendUnknown(&scratch)
      }
    }
  }

  private func appendUnknown(_ scratch: inout EncodingScratch) {
    guard unknownToken >= 0 else { return }
    if fusesUnknown && scratch.endsInUnknown { return }
    scratch.merger.append(unknownToken)
    scratch.endsInUnknown = true
  }
}

/// SentencePiece byte-pair encoding as GGUF files carry it: of all adjacent pairs whose concatenation is a token
/// the one with the highest score is merged, ties to the left; what is no token at the end becomes byte tokens.
struct ScoreEncoder: Sendable {
  /// Token → score.
  var scores: [Float]
  /// Byte → token of `<0xNN>`; −1: none.
  var byteTokens: [Int32]
  /// Token for bytes without a byte token; −1: dropped.
  var unknownToken: Int32

  func encode(
    _ word: UnsafeBufferPointer<UInt8>, vocabulary: Vocabulary, scratch: inout EncodingScratch,
    into output: inout [Int32]
  ) {
    if word.isEmpty { return }
    scratch.merger.removeAll()
    scratch.boundaries.removeAll(keepingCapacity: true)
    var index = 0
    while index < word.count {
      let length = UTF8Text.scalar(word, at: index).length
      scratch.boundaries.append(index)
      scratch.merger.append(vocabulary.find(UnsafeBufferPointer(rebasing: word[index..<index + length])))
      index += length
    }
    scratch.boundaries.append(word.count)
    let longest = vocabulary.longestLength
    scratch.boundaries.withUnsafeBufferPointer { boundaries in
      scratch.merger.merge { left, right in
        let start = boundaries[Int(left.start)]
        let end = boundaries[Int(right.start + right.length)]
        guard end - start <= longest else { return nil }
        let token = vocabulary.find(UnsafeBufferPointer(rebasing: word[start..<end]))
        guard token >= 0 else { return nil }
        return (Self.priority(scores[Int(token)]), token)
      }
    }
    for symbol in scratch.merger.symbols {
      if symbol.token >= 0 {
        output.append(symbol.token)
        continue
      }
      let start = scratch.boundaries[Int(symbol.start)]
      let end = scratch.boundaries[Int(symbol.start + symbol.length)]
      for byte in word[start..<end] {
        let token = byteTokens[Int(byte)] >= 0 ? byteTokens[Int(byte)] : unknownToken
        if token >= 0 { output.append(token) }
      }
    }
  }

  /// Orders scores from high to low as unsigned integers. Scores are finite: the loader checks.
  @inline(__always)
  static func priority(_ score: Float) -> UInt64 {
    let bits = (score + 0).bitPattern  // + 0 makes −0 and 0 equal
    let ascending = bits & 0x8000_0000 != 0 ? ~bits : bits | 0x8000_0000
    return UInt64(~ascending)
  }
}

/// Buffers that live through one call of `encode`, so that words cost no allocation.
struct EncodingScratch {
  var merger = SymbolMerger()
  var spelled: [UInt8] = []
  var boundaries: [Int] = []
  var endsInUnknown = false
}
