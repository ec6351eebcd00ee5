import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import Testing

/// Sources on cases that can be worked out by hand.
@Suite struct DraftSourceTests {
  private func paths(_ tree: TokenTree) -> Set<[TokenID]> {
    Set(tree.nodes.indices.map { tree.path(to: $0) })
  }

  @Test func `lookup continues the latest occurrence of the longest n-gram`() {
    var source = LookupSource(maximumLength: 2, guessCount: 3)
    let tokens: [TokenID] = [1, 2, 3, 9, 1, 2, 4, 8, 7, 1, 2]
    source.start(tokens)
    #expect(source.propose(DraftContext(tokens: tokens)).nodes.map(\.token) == [4, 8, 7])
    // Nothing has been seen behind a token that is new.
    source.observe(DraftRound(tokens: tokens + [6], newCount: 1))
    #expect(source.propose(DraftContext(tokens: tokens + [6])).isEmpty)
  }

  @Test func `what repeats is copied beyond the end of the text`() {
    var source = LookupSource(maximumLength: 2, guessCount: 5)
    let tokens: [TokenID] = [7, 1, 2, 1, 2]
    source.start(tokens)
    #expect(source.propose(DraftContext(tokens: tokens)).nodes.map(\.token) == [1, 2, 1, 2, 1])
  }

  @Test func `n-gram counts give the shares of what followed`() throws {
    var source = NGramSource(maximumLength: 2, guessCount: 8)
    let tokens: [TokenID] = [1, 2, 3, 1, 2, 3, 1, 2, 4, 1, 2]
    source.start(tokens)
    let tree = source.propose(DraftContext(tokens: tokens, maximumDepth: 1))
    #expect(tree.nodes.map(\.token) == [3, 4])
    #expect(tree.nodes.map(\.confidence) == [0.5, 0.25])
  }

  @Test(arguments: 0..<30)
  func `the suffix source continues an occurrence of the longest end of the text`(seed: Int) {
    var random = TestRandom(seed: UInt64(seed))
    let tokens = (0..<60).map { _ in TokenID(Int.random(in: 0..<3, using: &random)) }
    var source = SuffixSource(guessCount: 4, factor: 4)
    source.start(Array(tokens.prefix(20)))
    for count in 21...tokens.count {
      let text = Array(tokens.prefix(count))
      source.observe(DraftRound(tokens: text, newCount: 1))
      // The longest end that occurs earlier, by trying.
      var longest = 0
      for length in 1..<count {
        let end = Array(text.suffix(length))
        guard (0..<count - length).contains(where: { Array(text[$0..<$0 + length]) == end }) else { break }
        longest = length
      }
      let guesses = source.propose(DraftContext(tokens: text)).nodes.map(\.token)
      #expect(guesses.isEmpty == (longest == 0), "seed \(seed), \(count) tokens")
      guard longest > 0 else { continue }
      let end = Array(text.suffix(longest))
      let isContinuation = (0..<count - longest).contains { start in
        guard Array(text[start..<start + longest]) == end else { return false }
        var copy: [TokenID] = []
        for offset in 0..<guesses.count {
          let index = start + longest + offset
          copy.append(index < count ? text[index] : copy[index - count])
        }
        return copy == guesses
      }
      #expect(isContinuation, "seed \(seed), \(count) tokens: \(guesses)")
    }
  }

  @Test func `a corpus is searched as well as the text`() throws {
    let corpus = try SuffixCorpus([5, 6, 7, 8, 9])
    var source = SuffixSource(guessCount: 3, factor: 2, corpus: corpus)
    source.start([1, 5, 6])
    #expect(source.propose(DraftContext(tokens: [1, 5, 6])).nodes.map(\.token) == [7, 8, 9])
    #expect(throws: DecodingError.self) { try SuffixCorpus([]) }
  }

  @Test func `recycling remembers the followers of every row`() {
    var source = RecycleSource(followerCount: 2, guessCount: 3)
    let rows = [
      DraftRound.Row(
        token: 1, top: [RankedGuess(token: 2, probability: 0.6), RankedGuess(token: 3, probability: 0.3)],
        isAccepted: true),
      DraftRound.Row(token: 2, top: [RankedGuess(token: 4, probability: 0.9)], isAccepted: false),
    ]
    source.observe(DraftRound(tokens: [1], newCount: 1, rows: rows))
    let tree = source.propose(DraftContext(tokens: [1]))
    #expect(paths(tree) == [[2], [2, 4], [3]])
    #expect(tree.nodes.map(\.token) == [2, 4, 3])
  }

  @Test func `best-first expansion gives the paths of the sheet on ADED`() {
    // Behind 1, 2 come 3 (three times) and 4 (twice); behind 2, 3 comes 5; behind 2, 4 comes 6.
    var source = AdaptiveSource(guessCount: 4)
    let tokens: [TokenID] = [1, 2, 3, 5, 0, 1, 2, 3, 5, 0, 1, 2, 3, 5, 0, 1, 2, 4, 6, 0, 1, 2, 4, 6, 0, 1, 2]
    source.start(tokens)
    let tree = source.propose(DraftContext(tokens: tokens, maximumDepth: 2))
    #expect(paths(tree) == [[3], [3, 5], [4], [4, 6]])
    let four = tree.child(of: -1, token: 4)
    #expect(four.map { tree.children(of: $0).count } == 1)
  }

  @Test func `the published search is repeatable and within its budget`() {
    var random = TestRandom(seed: 8)
    let tokens = (0..<200).map { _ in TokenID(Int.random(in: 0..<6, using: &random)) }
    var first = PublishedTrigramSource(corpus: tokens)
    var second = PublishedTrigramSource(corpus: tokens)
    let context = DraftContext(tokens: Array(tokens.prefix(50)), maximumNodeCount: 64)
    let tree = first.propose(context)
    #expect(tree == second.propose(context))
    #expect(!tree.isEmpty && tree.count <= 64 && tree.depth <= 5)
  }

  @Test func `forced tokens are guessed to the next choice`() throws {
    struct Script: TokenConstraint {
      var texts: [[TokenID]]
      var place = 0
      struct Refused: Error {}
      mutating func advance(_ token: TokenID) throws {
        texts = texts.filter { place < $0.count && $0[place] == token }
        if texts.isEmpty { throw Refused() }
        place += 1
      }
      func allow(into mask: inout TokenMask) {
        mask.denyAll()
        for text in texts where place < text.count { mask.insert(text[place]) }
      }
      var isComplete: Bool { texts.contains { $0.count == place } }
      var mustStop: Bool { texts.allSatisfy { $0.count == place } }
    }
    var source = ForcedSource(vocabularyCount: 10)
    let script = Script(texts: [[1, 2, 3, 4], [1, 2, 3, 5]])
    #expect(
      try source.propose(DraftContext(tokens: [0], constraint: script)).nodes.map(\.token) == [1, 2, 3])
    #expect(try source.propose(DraftContext(tokens: [0])).isEmpty)
    let whole = Script(texts: [[1, 2]])
    #expect(try source.propose(DraftContext(tokens: [0], constraint: whole)).nodes.map(\.token) == [1, 2])
  }

  @Test func `forced tokens come with the passes of the free ones`() async throws {
    struct Frame: TokenConstraint {
      // 1 2 3 x 4 5 6 x …: every fourth token is free.
      var place = 0
      struct Refused: Error {}
      func isAllowed(_ token: TokenID) -> Bool {
        place % 4 == 3 ? token.index < 9 : token.index == place % 4 + 1
      }
      mutating func advance(_ token: TokenID) throws {
        guard isAllowed(token) else { throw Refused() }
        place += 1
      }
      func allow(into mask: inout TokenMask) {
        mask.denyAll()
        for token in 0..<12 where isAllowed(TokenID(token)) { mask.insert(TokenID(token)) }
      }
      var isComplete: Bool { false }
      var mustStop: Bool { false }
    }
    let model = hashedModel()
    let plain = AutoregressiveOptions(maximumTokenCount: 40, constraint: Frame())
    let expected = try await Decoded.plain(model, prompt: [0], plain)
    let options = SpeculativeOptions(
      plain: plain, sources: [("forced", ForcedSource(vocabularyCount: 12))], costCurve: flatCosts)
    let (found, statistics) = try await Decoded.speculative(model, prompt: [0], options)
    #expect(found == expected)
    #expect(statistics.forwardCount <= 14)
  }

  @Test func `the given text is followed, left, and found again`() {
    var source = GivenSource([1, 2, 3, 4, 5, 6, 7], guessCount: 2)
    source.start([0])
    #expect(source.propose(DraftContext(tokens: [0])).nodes.map(\.token) == [1, 2])
    source.observe(DraftRound(tokens: [0, 1, 2, 9], newCount: 3))
    #expect(source.propose(DraftContext(tokens: [0, 1, 2, 9])).isEmpty)
    // Two tokens of the text show where it goes on.
    source.observe(DraftRound(tokens: [0, 1, 2, 9, 4, 5], newCount: 2))
    #expect(source.propose(DraftContext(tokens: [0, 1, 2, 9, 4, 5])).nodes.map(\.token) == [6, 7])
  }

  @Test func `a draft model guesses nothing where it has no room or does not know a token`() async throws {
    let small = hashedModel(vocabularyCount: 4, contextLength: 12)
    var source = try DraftModelSource(model: small, growth: .chain(3), contextLength: 96, vocabularyLimit: 4)
    func guesses(_ tokens: [TokenID]) async throws -> Int {
      try await source.propose(DraftContext(tokens: tokens, maximumDepth: 60)).count
    }
    #expect(try await guesses([1, 2, 3]) > 0)
    #expect(try await guesses([1, 2, 7]) == 0)
    #expect(try await guesses(Array(repeating: 1, count: 11)) == 0)
    #expect(try await guesses([1, 2]) > 0)
  }

  @Test func `a draft model that fills masks is refused`() {
    let model = TableModel(vocabularyCount: 4, maskToken: 3, contextMask: .bidirectional) { _, _ in
      [0, 0, 0, 0]
    }
    #expect(throws: DecodingError.self) {
      try DraftModelSource(model: model, growth: .chain(2), contextLength: 10, vocabularyLimit: 4)
    }
  }
}
