import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

/// Tables of n-grams: what is counted, what is kept, and what files may say.
@Suite struct NGramTableTests {
  private static func vocabulary(_ count: Int) -> VocabularyFingerprint {
    VocabularyFingerprint((0..<count).map { Array("token \($0)".utf8) })
  }

  private static func table(
    _ texts: [[TokenID]], vocabularyCount: Int = 16, length: Int = 3, byteLimit: Int = 1 << 20
  ) throws -> NGramTable {
    var builder = try NGramTableBuilder(maximumLength: length, vocabulary: vocabulary(vocabularyCount))
    for text in texts { try builder.count(text) }
    return builder.table(byteLimit: byteLimit)
  }

  /// What a source guesses that knows nothing but a table.
  private func guesses(_ table: NGramTable, behind tokens: [TokenID]) -> [TokenID: Float] {
    var source = NGramSource(maximumLength: 1, guessCount: 4, table: table)
    let tree = source.propose(DraftContext(tokens: tokens, maximumDepth: 1))
    return Dictionary(uniqueKeysWithValues: tree.nodes.map { ($0.token, $0.confidence) })
  }

  private func randomText(_ random: inout TestRandom, count: Int, vocabularyCount: Int) -> [TokenID] {
    // A token mostly follows from the two before it, so that contexts repeat and say different things.
    var text: [TokenID] = [0, 1]
    while text.count < count {
      let rule = (text[text.count - 1].index * 3 + text[text.count - 2].index + 1) % vocabularyCount
      let isFree = Int.random(in: 0..<4, using: &random) == 0
      text.append(TokenID(isFree ? Int.random(in: 0..<vocabularyCount, using: &random) : rule))
    }
    return text
  }

  @Test func `the longest context that says something new is what counts`() throws {
    // Behind 2 comes 3 or 4 as often, behind 1 2 always 3.
    let text: [TokenID] = [1, 2, 3, 5, 2, 4, 6, 1, 2, 3, 7, 2, 4, 8, 1, 2, 3, 9, 2, 4]
    let table = try Self.table([text], length: 2)
    let short = guesses(table, behind: [2])
    #expect(abs(try #require(short[3]) - 3 / 6.5) < 1.0 / 256)
    #expect(abs(try #require(short[4]) - 3 / 6.5) < 1.0 / 256)
    let long = guesses(table, behind: [1, 2])
    #expect(Set(long.keys) == [3])
    #expect(abs(try #require(long[3]) - 3 / 3.5) < 1.0 / 256)
    // A context that was never seen says what its end says.
    #expect(guesses(table, behind: [9, 2]) == short)
    #expect(guesses(table, behind: [10]).isEmpty)
    // What came once is not kept.
    #expect(guesses(table, behind: [7]).isEmpty)
  }

  @Test(arguments: 0..<20)
  func `what is left out differs little from what a shorter context says`(seed: Int) throws {
    var random = TestRandom(seed: UInt64(seed))
    let vocabulary = Int.random(in: 4...12, using: &random)
    let text = randomText(&random, count: 900, vocabularyCount: vocabulary)
    let table = try Self.table([text], vocabularyCount: vocabulary)
    for length in 1...3 {
      var counts: [[TokenID]: [TokenID: Int]] = [:]
      for index in length..<text.count {
        counts[Array(text[index - length..<index]), default: [:]][text[index], default: 0] += 1
      }
      for (context, followers) in counts {
        let total = followers.values.reduce(0, +)
        guard total >= 2 else { continue }
        let found = guesses(table, behind: context)
        let likeliest = followers.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(4)
        for (token, count) in likeliest {
          let share = Float(count) / (Float(total) + 0.5)
          // Paths below a twentieth are not followed.
          guard share >= 0.06 else { continue }
          let difference = abs(share - (found[token] ?? 0))
          #expect(
            difference <= 0.3 / Float(total) + 0.06,
            "seed \(seed), \(context): \(share) for \(token), found \(found)")
        }
      }
    }
  }

  @Test(arguments: 0..<12)
  func `a file gives the table back, and no more bytes are taken than were allowed`(seed: Int) throws {
    var random = TestRandom(seed: UInt64(seed))
    let folder = try TemporaryFolder()
    // Numbers of two bytes and of four.
    let vocabulary = seed % 2 == 0 ? 40 : 70_000
    let texts = (0..<3).map { _ in
      randomText(&random, count: 700, vocabularyCount: 40).map { TokenID($0.index + vocabulary - 40) }
    }
    let limit = [300, 1000, 4000, 1 << 20][seed % 4]
    let table = try Self.table(texts, vocabularyCount: vocabulary, length: 4, byteLimit: limit)
    let path = folder.path + "/a.ngrams"
    try table.write(to: path)
    let read = try NGramTable(path: path)
    #expect(read.vocabulary == table.vocabulary && read.countedCount == 2100)
    #expect(read.contextCount == table.contextCount && read.maximumLength == 4)
    let size = try #require(FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
    // The header of a file takes about a kilobyte.
    #expect(size <= limit + 2000, "\(size) bytes of \(limit)")
    #expect(table.contextCount > 10 || limit < 1000)
    for text in texts {
      for end in stride(from: 4, to: 700, by: 13) {
        let context = Array(text[..<end])
        #expect(guesses(read, behind: context) == guesses(table, behind: context))
      }
    }
  }

  @Test func `what cannot be counted is refused`() throws {
    #expect(throws: DecodingError.self) {
      try NGramTableBuilder(maximumLength: 9, vocabulary: Self.vocabulary(4))
    }
    #expect(throws: DecodingError.self) {
      try NGramTableBuilder(maximumLength: 0, vocabulary: Self.vocabulary(4))
    }
    var builder = try NGramTableBuilder(vocabulary: Self.vocabulary(4))
    #expect(throws: DecodingError.self) { try builder.count([1, 4]) }
    #expect(builder.table(byteLimit: 1000).contextCount == 0)
  }

  @Test func `an empty table is written, read and guesses nothing`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/empty.ngrams"
    try Self.table([]).write(to: path)
    #expect(guesses(try NGramTable(path: path), behind: [1, 2]).isEmpty)
  }

  @Test func `files that are no tables say what is wrong`() throws {
    let folder = try TemporaryFolder()
    func file(_ change: (inout [String: String], inout [(String, String, [UInt8])]) -> Void) throws -> String
    {
      var metadata = [
        "format": "blockwise n-grams 1", "length": "1", "vocabulary": "9", "vocabulary_hash": "ab",
        "counted": "5",
      ]
      var tensors: [(String, String, [UInt8])] = [
        ("keys.1", "U32", [1, 0, 0, 0, 2, 0, 0, 0]), ("counts.1", "U8", [1, 2]),
        ("tokens.1", "U16", [3, 0, 4, 0, 8, 0]), ("shares.1", "U8", [9, 9, 9]),
      ]
      change(&metadata, &tensors)
      var writer = SafetensorsWriter(metadata: metadata)
      for (name, type, bytes) in tensors {
        let type = try #require(TensorType.safetensors(type))
        try writer.append(name, type: type, shape: [bytes.count / type.blockByteCount], bytes: bytes)
      }
      let path = folder.path + "/\(UInt32.random(in: 0...UInt32.max)).ngrams"
      try writer.write(to: path)
      return path
    }
    #expect(try NGramTable(path: file { _, _ in }).contextCount == 2)
    let cases: [(String, (inout [String: String], inout [(String, String, [UInt8])]) -> Void)] = [
      ("format", { metadata, _ in metadata["format"] = "something else" }),
      ("length", { metadata, _ in metadata["length"] = "9" }),
      ("length", { metadata, _ in metadata["length"] = nil }),
      ("vocabulary_hash", { metadata, _ in metadata["vocabulary_hash"] = "xyz" }),
      ("outside the vocabulary", { metadata, _ in metadata["vocabulary"] = "8" }),
      ("keys.2", { metadata, _ in metadata["length"] = "2" }),
      ("ascend", { _, tensors in tensors[0].2 = [2, 0, 0, 0, 2, 0, 0, 0] }),
      ("counts.1", { _, tensors in tensors[1].2 = [1, 1] }),
      ("0 followers", { _, tensors in tensors[1].2 = [0, 3] }),
      ("5 followers", { _, tensors in tensors[1].2 = [5, 1] }),
      ("counts.1", { _, tensors in tensors[1].2 = [3] }),
      ("shares.1", { _, tensors in tensors[3].2 = [9, 9] }),
      ("tokens.1", { _, tensors in tensors[2] = ("tokens.1", "U8", [3, 4, 8]) }),
    ]
    for (expected, change) in cases {
      let path = try file(change)
      let error = #expect(throws: ModelFileError.self) { try NGramTable(path: path) }
      #expect(error?.description.contains(expected) == true, "\(expected): \(error?.description ?? "")")
    }
  }

  @Test(arguments: 0..<6)
  func `damaged files throw, or give a table that can be asked`(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let folder = try TemporaryFolder()
    var texts = TestRandom(seed: seed)
    let path = folder.path + "/a.ngrams"
    try Self.table([randomText(&texts, count: 400, vocabularyCount: 16)]).write(to: path)
    let source = [UInt8](try #require(FileManager.default.contents(atPath: path)))
    var openedCount = 0
    for _ in 0..<400 {
      let damaged = try folder.write("b.ngrams", random.damaged(source))
      guard let table = try? NGramTable(path: damaged) else { continue }
      openedCount += 1
      for token in 0..<16 { _ = guesses(table, behind: [3, TokenID(token)]) }
    }
    #expect(openedCount > 0, "seed \(seed)")
  }

  @Test func `text and table are weighed by how often a context has occurred`() throws {
    // The table: behind 1 2 comes 3 in 3 of 3.5; the text: behind 1 2 came 5 twice.
    let table = try Self.table([[1, 2, 3, 9, 1, 2, 3, 8, 1, 2, 3]], length: 2)
    var source = NGramSource(maximumLength: 2, guessCount: 4, table: table)
    let tokens: [TokenID] = [1, 2, 5, 7, 1, 2, 5, 6, 1, 2]
    source.start(tokens)
    let tree = source.propose(DraftContext(tokens: tokens, maximumDepth: 1))
    #expect(tree.nodes.map(\.token) == [5, 3])
    #expect(abs(tree.nodes[0].confidence - 2.0 / 4) < 0.001)
    #expect(abs(tree.nodes[1].confidence - 2.0 / 4 * 3 / 3.5) < 0.003)
  }
}
