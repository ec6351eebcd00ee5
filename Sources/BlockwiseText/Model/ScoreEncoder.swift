/// SentencePiece byte-pair encoding: of all adjacent pairs whose concatenation is a token the one with the highest
/// score is merged, ties to the left; what is no token at the end becomes byte tokens.
struct ScoreEncoder: Sendable {
  /// Token → priority in merging, or nil's stand-in `UInt64.max` for tokens that no merge may give: control
  /// tokens, so that text cannot spell them, and byte tokens.
  private let priorities: [UInt64]
  /// Byte → token of `<0xNN>`; −1: none.
  private let byteTokens: [Int32]
  /// Token for bytes without a byte token; −1: dropped.
  private let unknownToken: Int32
  /// Bytes of the longest token that a merge may give.
  private let longestLength: Int
  /// No merge joins a space mark to a scalar before it, so words can be cut there.
  private let cutsAtSpaceMarks: Bool
  /// Tokens that stand for themselves and take no part in merging.
  private let frozen: ByteTrie
  /// Token → whether merging may pass through it but not end in it: such a result falls apart into the two parts
  /// it was last seen made of. Empty: there is none.
  private let isUnused: [Bool]
  /// What to do with text that is no token.
  private let fallback: Fallback

  /// What becomes of text that is no token.
  enum Fallback: Sendable {
    /// Each byte its token, or the unknown token for bytes without one.
    case bytes
    /// One unknown token for a run of such scalars.
    case unknown
  }

  /// - Parameters:
  ///   - scores: per token; finite.
  ///   - isMergeable: per token, whether text may become it by merging.
  ///   - frozen: tokens that are taken wherever they stand, the longest first.
  ///   - isUnused: per token, whether it may only be passed through; empty when none is.
  init(
    vocabulary: Vocabulary, scores: [Float], isMergeable: [Bool], unknownToken: Int32,
    frozen: ByteTrie = ByteTrie([]), isUnused: [Bool] = [], fallback: Fallback = .bytes
  ) {
    self.frozen = frozen
    self.isUnused = isUnused
    self.fallback = fallback
    priorities = scores.indices.map { isMergeable[$0] ? Self.priority(scores[$0]) : UInt64.max }
    byteTokens = (0...UInt8.max).map { vocabulary.find(DecoderStep.name(ofByte: $0)) }
    self.unknownToken = unknownToken
    var longest = 0
    // How an unused token falls apart depends on the order of merging in the whole text.
    var cuts = isUnused.isEmpty
    for index in scores.indices where isMergeable[index] {
      let text = vocabulary.text(index)
      longest = max(longest, text.count)
      cuts = cuts && !text.withUnsafeBufferPointer { SpaceMark.followsOther(in: $0) }
    }
    longestLength = longest
    cutsAtSpaceMarks = cuts
  }

  func encode(
    _ word: UnsafeBufferPointer<UInt8>, vocabulary: Vocabulary, scratch: inout EncodingScratch,
    into output: inout [Int32]
  ) {
    guard cutsAtSpaceMarks else {
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
    if word.isEmpty { return }
    scratch.merger.removeAll()
    scratch.boundaries.removeAll(keepingCapacity: true)
    scratch.unusedParts.removeAll(keepingCapacity: true)
    var index = 0
    while index < word.count {
      scratch.boundaries.append(index)
      if !frozen.isEmpty, let (token, end) = frozen.longestMatch(in: word, at: index) {
        scratch.merger.append(token)
        index = end
        continue
      }
      let length = UTF8Text.scalar(word, at: index).length
      let token = vocabulary.find(UnsafeBufferPointer(rebasing: word[index..<index + length]))
      scratch.merger.append(token >= 0 && priorities[Int(token)] != UInt64.max ? token : -1)
      index += length
    }
    scratch.boundaries.append(word.count)
    merge(word, vocabulary, &scratch)

    scratch.endsInUnknown = false
    for symbol in scratch.merger.symbols {
      let start = scratch.boundaries[Int(symbol.start)]
      let end = scratch.boundaries[Int(symbol.start + symbol.length)]
      emit(symbol.token, start..<end, word, &scratch, &output)
    }
  }

  private func merge(
    _ word: UnsafeBufferPointer<UInt8>, _ vocabulary: Vocabulary, _ scratch: inout EncodingScratch
  ) {
    let longest = longestLength
    var unusedParts = scratch.unusedParts
    scratch.boundaries.withUnsafeBufferPointer { boundaries in
      scratch.merger.merge { left, right in
        let start = boundaries[Int(left.start)]
        let middle = boundaries[Int(right.start)]
        let end = boundaries[Int(right.start + right.length)]
        guard end - start <= longest else { return nil }
        if !frozen.isEmpty {
          // A frozen token is one symbol from the beginning, so a symbol that is one now always was.
          if left.length == 1, frozen.longestMatch(in: word, at: start)?.end == middle { return nil }
          if right.length == 1, frozen.longestMatch(in: word, at: middle)?.end == end { return nil }
        }
        let token = vocabulary.find(UnsafeBufferPointer(rebasing: word[start..<end]))
        guard token >= 0, priorities[Int(token)] != UInt64.max else { return nil }
        if !isUnused.isEmpty, isUnused[Int(token)] {
          unusedParts[token] = (left.token, middle - start, right.token)
        }
        return (priorities[Int(token)], token)
      }
    }
    scratch.unusedParts = unusedParts
  }

  /// Writes the token of a stretch, or what stands in for it.
  private func emit(
    _ token: Int32, _ range: Range<Int>, _ word: UnsafeBufferPointer<UInt8>,
    _ scratch: inout EncodingScratch, _ output: inout [Int32]
  ) {
    if token < 0 { return emitUnknown(range, word, &scratch, &output) }
    guard !isUnused.isEmpty, isUnused[Int(token)] else {
      scratch.endsInUnknown = false
      output.append(token)
      return
    }
    // Parts may be unused themselves; a stack, because a damaged vocabulary can nest them deeply.
    var stack = [(token, range)]
    while let (token, range) = stack.popLast() {
      if token < 0 {
        emitUnknown(range, word, &scratch, &output)
      } else if isUnused[Int(token)], let parts = scratch.unusedParts[token] {
        let middle = range.lowerBound + parts.leftLength
        stack.append((parts.right, middle..<range.upperBound))
        stack.append((parts.left, range.lowerBound..<middle))
      } else {
        scratch.endsInUnknown = false
        output.append(token)
      }
    }
  }

  private func emitUnknown(
    _ range: Range<Int>, _ word: UnsafeBufferPointer<UInt8>, _ scratch: inout EncodingScratch,
    _ output: inout [Int32]
  ) {
    switch fallback {
    case .bytes:
      for byte in word[range] {
        let token = byteTokens[Int(byte)] >= 0 ? byteTokens[Int(byte)] : unknownToken
        if token >= 0 { output.append(token) }
      }
    case .unknown:
      if !scratch.endsInUnknown, unknownToken >= 0 { output.append(unknownToken) }
      scratch.endsInUnknown = true
    }
  }

  /// Orders scores from high to low as unsigned integers. Scores are finite: the loader checks.
  private static func priority(_ score: Float) -> UInt64 {
    let bits = (score + 0).bitPattern  // + 0 makes −0 and 0 equal
    let ascending = bits & 0x8000_0000 != 0 ? ~bits : bits | 0x8000_0000
    return UInt64(~ascending)
  }
}
