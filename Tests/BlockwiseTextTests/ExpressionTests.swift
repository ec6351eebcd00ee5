import BlockwiseFiles
import BlockwiseTestSupport
import BlockwiseText
import Testing

/// The interpreter of regular expressions.
struct ExpressionTests {
  /// Expression, text, and the pieces that isolating the matches leaves: what the reference library does.
  private static let cases: [(String, String, [String])] = [
    (#"\p{N}{1,3}+"#, "1234567 89", ["1234567", " ", "89"]),
    (#"\p{N}{2}?"#, "12345", ["12", "34", "5"]),
    (#"\p{N}{,2}"#, "123 4", ["12", "3", " ", "4"]),
    (#"a++b|\w"#, "aaab aab", ["aaab", " ", "aab"]),
    (#"^\w|\w$"#, "ab cd\nef", ["a", "b c", "d", "\n", "e", "f"]),
    (#".+"#, "ab\ncd\r\ne", ["ab", "\n", "cd\r", "\n", "e"]),
    (#"[a-c&&[^b]]+"#, "aacba", ["aac", "b", "a"]),
    (#"[a[xy]é-ö]+"#, "axyêb", ["axyê", "b"]),
    (#"(?i)k|ß|å"#, "kK\u{212A}ẞÅ\u{212B}", ["k", "K", "\u{212A}", "ẞ", "Å", "\u{212B}"]),
    (#"(?i:[a-f]+)x?"#, "aBFxX", ["aBFx", "X"]),
    (#"\x{41}|\x42|\u0043"#, "ABCD", ["A", "B", "C", "D"]),
    (#"\p{Han}+|\p{Hiragana}+"#, "中文ひら한", ["中文", "ひら", "한"]),
    (#"\p{^L}+"#, "ab12c", ["ab", "12", "c"]),
    (#"a{2"#, "a{2aa", ["a{2", "aa"]),
    (#"x*"#, "axxb", ["a", "xx", "b"]),
    (#"[\w.-]+"#, "a.b-½c", ["a.b-", "½", "c"]),
    (#"\w+"#, "a½²_b", ["a½²_b"]),
    (#"[]a]+"#, "]ab", ["]a", "b"]),
    (#"\bt\w*\b"#, "to at tt", ["to", " at ", "tt"]),
    (#"(?>a+)b|a"#, "aab", ["aab"]),
    (#"(?:ab?){2,3}"#, "abaabab", ["abaab", "ab"]),
    (#"(?=(\d{3})+(?!\d))"#, "1234567", ["1", "234", "567"]),
    (#"t(?!h)|h(?=a)"#, "that", ["t", "h", "a", "t"]),
    (#"((a*)*)*b"#, "aaab aa", ["aaab", " aa"]),
    (#"\s+(?!\S)|\s"#, "a   b  ", ["a", "  ", " ", "b", "  "]),
    (#"\p{Lu}\p{Ll}+|\p{Lt}|\p{Lm}"#, "AbcǅʰX", ["Abc", "ǅ", "ʰ", "X"]),
    (#"\p{Sc}|\p{Sm}|\p{So}"#, "$+©a", ["$", "+", "©", "a"]),
    (#"\p{Nd}+|\p{No}"#, "12½\u{663}", ["12", "½", "\u{663}"]),
    (#"l+?o|l??e"#, "lloe", ["llo", "e"]),
    (#"'(?i:ll|s)"#, "I'LL 'ſ", ["I", "'LL", " ", "'ſ"]),
  ]

  /// The text cut at the ends of all matches.
  private func pieces(_ expression: Expression, _ text: [UInt8]) -> [Range<Int>] {
    var pieces: [Range<Int>] = []
    var end = 0
    text.withUnsafeBufferPointer {
      for match in expression.matches(in: $0, range: 0..<text.count) {
        pieces.append(end..<match.lowerBound)
        pieces.append(match)
        end = match.upperBound
      }
    }
    return (pieces + [end..<text.count]).filter { !$0.isEmpty }
  }

  @Test func `matches are those of the reference engine`() throws {
    for (expression, text, expected) in Self.cases {
      let bytes = Array(text.utf8)
      let found = pieces(try Expression(expression), bytes).map { String(decoding: bytes[$0], as: UTF8.self) }
      #expect(found.elementsEqual(expected, by: same), "\(expression) \(text.debugDescription): \(found)")
    }
  }

  @Test(arguments: [100, 3000, 20_000])
  func `a match behind a long detour is found`(count: Int) throws {
    // The longer way through the text is taken first and fails at its end, after more steps than go unnoted.
    let expression = try Expression("[a-z]*(?:xy|zw)")
    let text = Array("aaxy".utf8) + [UInt8](repeating: UInt8(ascii: "b"), count: count) + Array("q".utf8)
    #expect(pieces(expression, text).first == 0..<4, "\(pieces(expression, text).prefix(3))")
  }

  @Test func `repetitions of nothing are refused before they multiply`() {
    #expect(throws: TokenizerError.self) { try Expression("((((((){1000}){1000}){1000}){1000}){1000})x") }
  }

  @Test func `interpreted expressions cut like their hand-written scanners`() throws {
    let fixture = try TokenizerFixtures.own("tokenizers/scanners.json")
    for pattern in SplitPattern.allCases {
      let expression = try Expression(try fixture.string("patterns", pattern.rawValue))
      for vector in try fixture.array("cases") {
        let text = Array(try vector.string("text").utf8)
        let expected = vector[pattern.rawValue]?.arrayValue?.map(\.integerValue)
        #expect(pieces(expression, text).map(\.count) == expected, "\(pattern) \(text)")
      }
    }
  }

  @Test(arguments: [
    "(a*)*b", "(a|aa)+c", "(.*)(.*)(.*)(.*)(.*)d", "(?:a?){30}a{30}b", "((((a*)*)*)*)*e",
    #"(?:(?=.*f)a|a)+g"#, "(?>a*)*h",
    "(?:a+)+$|i", "(?!(a+)+j)ak", "(?i:(a|A)+)*l", #"(\w+\s?)*m"#,
  ])
  func `a hostile expression ends soon`(expression: String) throws {
    let compiled = try Expression(expression)
    // Without a bound these take time exponential in the length, or its square: hours.
    for count in [40, 3000, 20_000] {
      let text = [UInt8](repeating: 0x61, count: count)
      #expect(pieces(compiled, text).map(\.count).reduce(0, +) == count)
    }
  }

  @Test(arguments: 0..<4 as Range<UInt64>)
  func `random expressions are refused or match within the text`(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let atoms = [
      "a", "b", "é", ".", "\\s", "\\p{L}", "\\P{N}", "[ab]", "[^a]", "(", ")", "(?:", "(?i:", "(?=", "(?!",
      "(?>", "*", "+", "?", "{1,3}",
      "{2}", "|", "^", "$", "\\b", "[", "]", "&&", "-", "\\", "{", "}", "++", "*?", "中",
    ]
    let text = Array("ab é中 aab\n\nB1 2'ſ  x".utf8)
    var compiled = 0
    for round in 0..<3000 {
      let expression = (0..<Int.random(in: 1...9, using: &random)).map { _ in
        atoms.randomElement(using: &random) ?? "a"
      }.joined()
      guard let parsed = try? Expression(expression) else { continue }
      compiled += 1
      let found = pieces(parsed, text)
      #expect(found.map(\.count).reduce(0, +) == text.count, "seed \(seed), round \(round): \(expression)")
      for piece in found {
        #expect(Array(text[piece]).isValidUTF8, "seed \(seed), round \(round): \(expression)")
      }
    }
    #expect(compiled > 500, "seed \(seed)")
  }
}
