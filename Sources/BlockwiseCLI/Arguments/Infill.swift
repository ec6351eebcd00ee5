import Blockwise

/// A text with gaps, `Tom had a <fill:8>. He was happy.`: what stands before the first gap is the prompt, the rest a canvas.
///
/// A space before a gap is left to the gap: vocabularies have words with the space in front of them, and it would come twice.
struct Infill {
  /// The text before the first gap.
  let start: String
  let prompt: [TokenID]
  let canvas: [TokenID?]
  /// The gaps as ranges of the canvas.
  let gaps: [Range<Int>]

  /// More in one gap is a mistake.
  private static let longestGap = 1 << 16

  /// - Parameter parseSpecialTokens: whether special tokens written in the text count as such.
  init(_ text: String, _ model: LanguageModel, parseSpecialTokens: Bool) throws {
    var pieces: [Substring] = []
    var counts: [Int] = []
    var rest = text[...]
    while let mark = rest.firstRange(of: "<fill:") {
      guard let end = rest[mark.upperBound...].firstIndex(of: ">") else {
        throw UsageError("--infill: a gap is written <fill:12>, the > is missing")
      }
      let number = rest[mark.upperBound..<end]
      guard let count = Int(number), (1...Self.longestGap).contains(count) else {
        throw UsageError(
          "--infill: \"\(number)\" in <fill:…> is not a number of tokens from 1 to \(Self.longestGap)")
      }
      pieces.append(Self.withoutSpace(rest[..<mark.lowerBound]))
      counts.append(count)
      rest = rest[rest.index(after: end)...]
    }
    guard !counts.isEmpty else {
      throw UsageError("--infill has no gap; one of 12 tokens is written <fill:12>")
    }
    start = String(pieces[0])
    prompt = try model.promptTokens(utf8: Array(start.utf8), parseSpecialTokens: parseSpecialTokens)
    guard !prompt.isEmpty else {
      throw UsageError("--infill must not begin with a gap: the model needs a start")
    }
    var canvas: [TokenID?] = []
    var gaps: [Range<Int>] = []
    for (index, count) in counts.enumerated() {
      gaps.append(canvas.count..<canvas.count + count)
      canvas += Array(repeating: nil, count: count)
      let piece = index + 1 < pieces.count ? pieces[index + 1] : rest
      canvas +=
        model.tokenizer.encode(
          String(piece), addSpecialTokens: false, parseSpecialTokens: parseSpecialTokens) as [TokenID?]
    }
    self.canvas = canvas
    self.gaps = gaps
  }

  private static func withoutSpace(_ piece: Substring) -> Substring {
    let rest = piece.dropLast()
    guard piece.last == " ", let before = rest.last, !before.isWhitespace else { return piece }
    return rest
  }

  /// The whole text: start, fills and what stands between them.
  func text(_ generated: String) -> String { start + generated }

  /// The texts of the gaps.
  func fills(_ tokens: [TokenID], _ tokenizer: Tokenizer) -> [String] {
    gaps.map { gap in
      // An answer may end within its last gap.
      tokenizer.decode(Array(tokens[gap.clamped(to: 0..<tokens.count)]), skipSpecialTokens: true)
    }
  }
}
