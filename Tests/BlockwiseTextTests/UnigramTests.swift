import BlockwiseFiles
import BlockwiseTestSupport
import BlockwiseText
import Testing

/// The unigram model against its definition, small enough to try every way to cut a text.
struct UnigramTests {
  private static let pieces: [(String, Double)] = [
    ("<unk>", 0), ("a", -2), ("b", -2.5), ("ab", -4.6), ("ba", -3), ("aba", -6), ("bb", -4.75), ("é", -3),
    ("▁", -1),
  ]

  static func json(_ pieces: [(String, Double)] = pieces, _ options: (String, JSONValue)...) -> [UInt8] {
    var model = JSONObject()
    model["type"] = "Unigram"
    model["unk_id"] = 0
    model["vocab"] = .array(pieces.map { [.string($0.0), .number($0.1)] })
    for (key, value) in options { model[key] = value }
    let tokenizer: JSONValue = ["model": .object(model)]
    return tokenizer.bytes()
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func `the cut has the highest sum of all cuts`(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    // Random scores: two cuts with equal sums are unlikely.
    let pieces = Self.pieces.map { ($0.0, Double.random(in: -9...(-1), using: &random)) }
    let tokenizer = try Tokenizer.load(tokenizerJSON: Self.json(pieces))
    let unknownScore = (pieces.map(\.1).min() ?? 0) - 10
    for _ in 0..<40 {
      let word = (0..<Int.random(in: 0...9, using: &random)).map { _ in
        ["a", "b", "é", "x"].randomElement(using: &random) ?? "a"
      }
      /// Ends of the first pieces → the best sum and its tokens.
      var best: [(sum: Double, tokens: [TokenID])] = [(0, [])]
      for end in word.indices {
        var found: (Double, [TokenID]) = (-.infinity, [])
        for start in 0...end {
          let piece = word[start...end].joined()
          let token = pieces.firstIndex { $0.0 == piece }
          guard token != nil || start == end else { continue }
          let sum = best[start].sum + (token.map { pieces[$0].1 } ?? unknownScore)
          if sum > found.0 { found = (sum, best[start].tokens + [TokenID(token ?? 0)]) }
        }
        best.append(found)
      }
      var expected = best.last?.tokens ?? []
      // Unknown neighbours are one token.
      expected = expected.indices.filter { $0 == 0 || expected[$0] != 0 || expected[$0 - 1] != 0 }.map {
        expected[$0]
      }
      #expect(tokenizer.encode(word.joined()) == expected, "seed \(seed), \(word)")
    }
  }

  @Test func `text that no piece spells becomes bytes, or one unknown token, or is left out with a warning`()
    throws
  {
    let bytes = (0..<256).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return ("<0x" + (digits.count == 1 ? "0" : "") + digits + ">", 0.0)
    }
    let fallback = try Tokenizer.load(tokenizerJSON: Self.json(Self.pieces + bytes, ("byte_fallback", true)))
    #expect(fallback.encode("aßb") == [1, TokenID(9 + 0xC3), TokenID(9 + 0x9F), 2])
    let unknown = try Tokenizer.load(tokenizerJSON: Self.json())
    #expect(unknown.encode("aßöb") == [1, 0, 2])
    #expect(unknown.unknownToken == 0)
    let silent = try Tokenizer.load(tokenizerJSON: Self.json(Self.pieces, ("unk_id", nil)))
    #expect(silent.encode("aßöb") == [1, 2])
    #expect(silent.warnings.count == 1 && silent.warnings[0].contains("left out"))
  }

  @Test func `damaged vocabularies are refused with their place`() {
    func error(_ json: [UInt8]) -> TokenizerError? {
      do {
        _ = try Tokenizer.load(tokenizerJSON: json)
        return nil
      } catch {
        return error as? TokenizerError
      }
    }
    #expect(
      error(Self.json(Self.pieces, ("unk_id", 9)))
        == .invalidValue(key: "model.unk_id", found: "9", expected: "an index below 9"))
    #expect(error(Self.json([("a", 0), ("a", -1)])) == .duplicateToken("a"))
    for vocabulary in [["a": 0], [["a"]], [["a", 1, 2]], [[1, "a"]], ["a"]] as [JSONValue] {
      guard case .json = error(Self.json(Self.pieces, ("vocab", vocabulary))) else {
        Issue.record("\(vocabulary)")
        continue
      }
    }
  }

  @Test func `a megabyte is cut in one pass`() throws {
    let tokenizer = try Tokenizer.load(tokenizerJSON: Self.json())
    let text = String(repeating: "abba", count: 1 << 18)
    #expect(tokenizer.decode(tokenizer.encode(text)).filter { $0 != " " } == text)
  }
}
