/// SentencePiece byte-pair encoding as GGUF files carry it: of all adjacent pairs whose concatenation is a token
/// the one with the highest score is merged, ties to the left; what is no token at the end becomes byte tokens.
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

  /// - Parameters:
  ///   - scores: per token; finite.
  ///   - isMergeable: per token, whether text may become it by merging.
  init(vocabulary: Vocabulary, scores: [Float], isMergeable: [Bool], unknownToken: Int32) {
    priorities = scores.indices.map { isMergeable[$0] ? Self.priority(scores[$0]) : UInt64.max }
    byteTokens = (0...UInt8.max).map { vocabulary.find(DecoderStep.name(ofByte: $0)) }
    self.unknownToken = unknownToken
    var longest = 0
    var cuts = true
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
    var index = 0
    while index < word.count {
      let length = UTF8Text.scalar(word, at: index).length
      scratch.boundaries.append(index)
      let token = vocabulary.find(UnsafeBufferPointer(rebasing: word[index..<index + length]))
      scratch.merger.append(token >= 0 && priorities[Int(token)] != UInt64.max ? token : -1)
      index += length
    }
    scratch.boundaries.append(word.count)
    let longest = longestLength
    scratch.boundaries.withUnsafeBufferPointer { boundaries in
      scratch.merger.merge { left, right in
        let start = boundaries[Int(left.start)]
        let end = boundaries[Int(right.start + right.length)]
        guard end - start <= longest else { return nil }
        let token = vocabulary.find(UnsafeBufferPointer(rebasing: word[start..<end]))
        guard token >= 0, priorities[Int(token)] != UInt64.max else { return nil }
        return (priorities[Int(token)], token)
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
  private static func priority(_ score: Float) -> UInt64 {
    let bits = (score + 0).bitPattern  // + 0 makes −0 and 0 equal
    let ascending = bits & 0x8000_0000 != 0 ? ~bits : bits | 0x8000_0000
    return UInt64(~ascending)
  }
}
