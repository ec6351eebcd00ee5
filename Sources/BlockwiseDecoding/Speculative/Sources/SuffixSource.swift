public import BlockwiseFiles

/// Finds the longest end of the text that has occurred before, in the text itself or in a corpus, and guesses what
/// followed there: the longer the match, the more tokens (SuffixDecoding, arXiv 2411.04975; SAM-Decoding,
/// arXiv 2411.10666).
public struct SuffixSource: DraftSource {
  /// Most guesses of one proposal.
  public let guessCount: Int
  /// Guesses per token of the match.
  public let factor: Double

  private var text = SuffixAutomaton()
  private var textMatch = SuffixAutomaton.Match()
  private let corpus: SuffixCorpus?
  private var corpusMatch = SuffixAutomaton.Match()

  /// A source that has seen nothing yet.
  public init(guessCount: Int = 24, factor: Double = 2, corpus: SuffixCorpus? = nil) {
    self.guessCount = guessCount
    self.factor = factor
    self.corpus = corpus
  }

  /// Reads the prompt.
  public mutating func start(_ prompt: [TokenID]) {
    for token in prompt { read(token) }
  }

  /// Reads what is new.
  public mutating func observe(_ round: DraftRound) {
    for token in round.tokens.dropFirst(text.tokens.count) { read(token) }
  }

  private mutating func read(_ token: TokenID) {
    // What matches must have occurred before, so the automaton takes the token in afterwards.
    textMatch = text.advance(textMatch, by: token)
    text.append(token)
    textMatch = text.settled(textMatch)
    if let corpus { corpusMatch = corpus.automaton.advance(corpusMatch, by: token) }
  }

  /// A chain from the place of the longer match; the text's own where both are as long.
  public mutating func propose(_ context: DraftContext) -> TokenTree {
    var found: (tokens: [TokenID], place: Int, length: Int)?
    if let place = text.place(of: textMatch) { found = (text.tokens, place, textMatch.length) }
    if let corpus, corpusMatch.length > found?.length ?? 0,
      let place = corpus.automaton.place(of: corpusMatch)
    {
      found = (corpus.automaton.tokens, place, corpusMatch.length)
    }
    guard let found else { return TokenTree() }
    let count = min(
      guessCount, context.maximumDepth, context.maximumNodeCount,
      max(1, Int(Double(found.length) * factor)))
    var tree = TokenTree()
    var parent = -1
    for (depth, token) in LookupSource.copy(of: found.tokens, from: found.place, count: count).enumerated() {
      let length = Float(found.length + depth)
      parent = tree.insert(token, parent: parent, confidence: length / (length + 1))
    }
    return tree
  }
}

/// Tokens that texts are expected to resemble, ready to be searched; many sources can share it.
public final class SuffixCorpus: Sendable {
  let automaton: SuffixAutomaton

  /// The most tokens of a corpus.
  public static let tokenLimit = 4 << 20

  /// Reads a corpus.
  /// - Throws: ``DecodingError/option(_:found:expected:)`` for one without tokens or with too many.
  public init(_ tokens: [TokenID]) throws(DecodingError) {
    guard (1...Self.tokenLimit).contains(tokens.count) else {
      throw .option("corpus", found: "\(tokens.count) tokens", expected: "1…\(Self.tokenLimit)")
    }
    var automaton = SuffixAutomaton()
    for token in tokens { automaton.append(token) }
    self.automaton = automaton
  }

  /// Its tokens.
  public var tokens: [TokenID] { automaton.tokens }
}
