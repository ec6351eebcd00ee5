/// The unigram language model (Kudo, arXiv 1804.10959): of all ways to cut a text into tokens the one with the
/// highest sum of scores, found by the Viterbi algorithm.
struct UnigramEncoder: Sendable {
  /// What the two reference implementations do differently.
  enum Reference: Sendable {
    /// The `tokenizers` library: sums in double precision, and a run of unknown text that is a token as a whole
    /// becomes that token.
    case tokenizers
    /// The `sentencepiece` library: sums rounded to single precision.
    case sentencePiece
  }

  private let trie: ByteTrie
  /// Token → score.
  private let scores: [Double]
  /// Tokens that the text always becomes where they stand.
  private let isUserDefined: [Bool]
  /// The score of an unknown scalar.
  private let unknownScore: Double
  /// Byte → token of `<0xNN>`; −1: none.
  private let byteTokens: [Int32]
  private let reference: Reference
  /// Token for what nothing else covers; −1: dropped.
  let unknownToken: Int32
  /// Unknown scalars become `<0xNN>` tokens.
  var fallsBackToBytes = false

  /// How far the score of an unknown scalar is below the lowest score of the vocabulary.
  private static let unknownPenalty = 10.0

  /// The kinds of entries a vocabulary can have.
  enum EntryKind: Sendable {
    case normal
    /// Always taken where it stands.
    case userDefined
    /// Never the result of cutting text.
    case excluded
  }

  /// - Parameter kind: the kind of every token.
  init(
    vocabulary: Vocabulary, scores: [Double], unknownToken: Int32, reference: Reference,
    kind: (Int) -> EntryKind = { _ in .normal }
  ) {
    var entries: [(text: ArraySlice<UInt8>, value: Int32)] = []
    entries.reserveCapacity(scores.count)
    var isUserDefined = [Bool](repeating: false, count: scores.count)
    var lowest = Double.infinity
    for index in scores.indices where vocabulary.contains(index) {
      switch kind(index) {
      case .normal: lowest = min(lowest, scores[index])
      case .userDefined: isUserDefined[index] = true
      case .excluded: continue
      }
      entries.append((vocabulary.text(index), Int32(truncatingIfNeeded: index)))
    }
    trie = ByteTrie(entries)
    self.scores = scores
    self.isUserDefined = isUserDefined
    let unknown = (lowest.isFinite ? lowest : 0) - Self.unknownPenalty
    unknownScore = reference == .sentencePiece ? Double(Float(unknown)) : unknown
    byteTokens = (0...UInt8.max).map { vocabulary.find(DecoderStep.name(ofByte: $0)) }
    self.reference = reference
    self.unknownToken = unknownToken
  }

  func encode(
    _ text: UnsafeBufferPointer<UInt8>, vocabulary: Vocabulary, scratch: inout EncodingScratch,
    into output: inout [Int32]
  ) {
    if text.isEmpty { return }
    findBestPath(text, &scratch.lattice)
    collectPath(text, &scratch)
    var index = 0
    while index < scratch.path.count {
      let step = scratch.path[index]
      index += 1
      guard step.token == unknownToken else {
        output.append(step.token)
        continue
      }
      // Unknown neighbours are one piece of text.
      var end = step.end
      while index < scratch.path.count, scratch.path[index].token == unknownToken {
        end = scratch.path[index].end
        index += 1
      }
      appendUnknown(UnsafeBufferPointer(rebasing: text[step.start..<end]), vocabulary, &output)
    }
  }

  private func findBestPath(_ text: UnsafeBufferPointer<UInt8>, _ lattice: inout [LatticeNode]) {
    lattice.removeAll(keepingCapacity: true)
    lattice.append(contentsOf: repeatElement(LatticeNode(), count: text.count + 1))
    let rounds = reference == .sentencePiece
    lattice.withUnsafeMutableBufferPointer { lattice in
      var start = 0
      while start < text.count {
        let length = UTF8Text.scalar(text, at: start).length
        let scoreSoFar = lattice[start].score
        var coversScalar = false
        func offer(_ token: Int32, _ end: Int, _ score: Double) {
          let score = rounds ? Double(Float(score)) : score
          if lattice[end].start < 0 || score > lattice[end].score {
            lattice[end] = LatticeNode(
              score: score, start: Int32(truncatingIfNeeded: start), token: token)
          }
        }
        trie.forEachMatch(in: text, at: start) { token, end in
          let score =
            isUserDefined[Int(token)]
            ? Self.userDefinedScore(byteCount: end - start) : scores[Int(token)]
          offer(token, end, scoreSoFar + score)
          if end == start + length { coversScalar = true }
        }
        if !coversScalar {
          offer(unknownToken, start + length, scoreSoFar + unknownScore)
        }
        start += length
      }
    }
  }

  /// Better than any sum of log-probabilities, and best for long tokens.
  private static func userDefinedScore(byteCount: Int) -> Double { Double(Float(0.1) * Float(byteCount - 1)) }

  private func collectPath(_ text: UnsafeBufferPointer<UInt8>, _ scratch: inout EncodingScratch) {
    scratch.path.removeAll(keepingCapacity: true)
    var end = text.count
    while end > 0 {
      let node = scratch.lattice[end]
      scratch.path.append((node.token, Int(node.start), end))
      end = Int(node.start)
    }
    scratch.path.reverse()
  }

  private func appendUnknown(
    _ text: UnsafeBufferPointer<UInt8>, _ vocabulary: Vocabulary, _ output: inout [Int32]
  ) {
    if reference == .tokenizers {
      let whole = vocabulary.find(text)
      if whole >= 0 { return output.append(whole) }
    }
    if fallsBackToBytes, text.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
      for byte in text { output.append(byteTokens[Int(byte)]) }
    } else if unknownToken >= 0 {
      output.append(unknownToken)
    }
  }
}

/// The best way to reach a place in the text.
struct LatticeNode {
  var score = 0.0
  /// Where the last token of that way begins; −1: not reached.
  var start: Int32 = -1
  var token: Int32 = -1
}
