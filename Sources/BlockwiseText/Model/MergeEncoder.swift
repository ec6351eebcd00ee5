/// Byte-pair encoding by merge rank (Sennrich et al., arXiv 1508.07909), byte-level or with byte fallback.
struct MergeEncoder: Sendable {
  private let merges: MergeTable
  /// Byte → token of the byte's symbol (byte-level), or of `<0xNN>` (byte fallback); −1: none.
  private let byteTokens: [Int32]
  /// ASCII byte → token of that scalar, for encoders that work on scalars; −1: none.
  private let asciiTokens: [Int32]
  /// Words arrive as raw bytes and start as byte symbols.
  private let isByteLevel: Bool
  /// Scalars that the vocabulary lacks become `<0xNN>` tokens.
  var fallsBackToBytes = false
  /// Token for what nothing else covers; −1: dropped.
  var unknownToken: Int32 = -1
  /// Adjacent unknown scalars become one unknown token.
  var fusesUnknown = false
  /// A word that is a token is that token, whatever the merges say.
  var prefersWholeWords = false
  /// No merge joins a space mark to a scalar before it, so words can be cut there.
  private let cutsAtSpaceMarks: Bool

  /// Looks up the tokens that single bytes start from.
  init(merges: MergeBuilder, vocabulary: Vocabulary, isByteLevel: Bool) {
    self.merges = merges.table
    // A mark outside the vocabulary could be part of a run of unknown scalars.
    cutsAtSpaceMarks =
      !isByteLevel && !merges.joinsSpaceMarkToOther && vocabulary.find(SpaceMark.bytes) >= 0
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
    guard cutsAtSpaceMarks, !prefersWholeWords else {
      return encode(stretch: word, vocabulary: vocabulary, scratch: &scratch, into: &output)
    }
    SpaceMark.forEachStretch(of: word) {
      encode(stretch: $0, vocabulary: vocabulary, scratch: &scratch, into: &output)
    }
  }

  private func encode(
    stretch word: UnsafeBufferPointer<UInt8>, vocabulary: Vocabulary, scratch: inout EncodingScratch,
    into output: inout [Int32]
  ) {
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
