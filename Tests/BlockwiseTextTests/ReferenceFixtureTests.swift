import BlockwiseFiles
import BlockwiseText
import Testing

/// What the reference library does with small tokenizers, from Tests/Fixtures/tokenizers.
struct ReferenceFixtureTests {
  @Test func `the scanners cut text like the reference's regular expressions`() throws {
    let fixture = try TokenizerFixtures.own("tokenizers/scanners.json")
    let cases = try fixture.array("cases")
    #expect(cases.count > 100)
    for pattern in SplitPattern.allCases {
      let expression = try fixture.string("patterns", pattern.rawValue)
      #expect(SplitPattern(expression: expression) == pattern)
      for vector in cases {
        let text = Array(try vector.string("text").utf8)
        var pieces: [Range<Int>] = []
        text.withUnsafeBufferPointer { pattern.split($0, range: 0..<text.count, into: &pieces) }
        let expected = vector[pattern.rawValue]?.arrayValue?.map(\.integerValue)
        #expect(pieces.map(\.count) == expected, "\(pattern) \(text)")
        #expect(pieces.first?.lowerBound == 0 && pieces.last?.upperBound == text.count)
      }
    }
  }

  @Test func `every arrangement of components agrees with the reference`() throws {
    let variants = try #require(try TokenizerFixtures.own("tokenizers/pipelines.json").arrayValue)
    #expect(variants.count > 20)
    for variant in variants {
      let name = try variant.string("name")
      let json = try #require(variant["tokenizer"]).bytes()
      let tokenizer = try Tokenizer.load(tokenizerJSON: json)
      for vector in try variant.array("cases") {
        let text = try vector.string("text")
        let ids = try #require(vector["ids"]?.tokens)
        let shown = "\(name): \(text.debugDescription)"
        #expect(tokenizer.encode(text, addSpecialTokens: false) == ids, "\(shown)")
        #expect(tokenizer.encode(text) == vector["framed"]?.tokens, "\(shown)")
        #expect(same(tokenizer.decode(ids), try vector.string("decoded")), "\(shown)")
        let random = try #require(vector["random"]?.tokens)
        #expect(same(tokenizer.decode(random), try vector.string("random_decoded")), "\(name): \(random)")
        #expect(
          same(tokenizer.decode(random, skipSpecialTokens: true), try vector.string("random_skipped")),
          "\(name): \(random)")
      }
    }
  }
}
