import BlockwiseDecoding
import Testing

@Suite struct StopStringMatcherTests {
  /// The rule in plain words: the text ends before the stop string that is complete first.
  private func plain(_ text: String, _ stops: [String]) -> (text: String, match: String?) {
    let bytes = Array(text.utf8)
    for end in 0...bytes.count {
      let complete = stops.filter { bytes[..<end].suffix($0.utf8.count).elementsEqual($0.utf8) }
      if let match = complete.max(by: { $0.utf8.count < $1.utf8.count }) {
        return (String(decoding: bytes[..<(end - match.utf8.count)], as: UTF8.self), match)
      }
    }
    return (text, nil)
  }

  @Test func `text before a stop string is emitted and the rest is not`() throws {
    var matcher = try StopStringMatcher(["\nUser:"])
    #expect(matcher.append("Hello\nUs") == "Hello")
    #expect(matcher.append("e") == "")
    #expect(matcher.append("less\nUser: hi") == "\nUseless")
    #expect(matcher.match == "\nUser:")
    #expect(matcher.append("more") == "" && matcher.finish() == "")
  }

  @Test func `held text comes out at the end`() throws {
    var matcher = try StopStringMatcher(["</s>"])
    #expect(matcher.append("a < b </") == "a < b ")
    #expect(matcher.finish() == "</")
    #expect(matcher.match == nil)
  }

  @Test func `a stop string that overlaps itself is found`() throws {
    var matcher = try StopStringMatcher(["aab"])
    #expect(matcher.append("aa") == "")
    #expect(matcher.append("a") == "a")
    #expect(matcher.append("b") == "")
    #expect(matcher.match == "aab")
  }

  @Test func `the string that is complete first wins, then the longest`() throws {
    var first = try StopStringMatcher(["abc", "b"])
    #expect(first.append("xabc") == "xa")
    #expect(first.match == "b")
    var longest = try StopStringMatcher(["c", "bc", "abc"])
    #expect(longest.append("xabc") == "x")
    #expect(longest.match == "abc")
  }

  @Test func `characters of several bytes stay whole`() throws {
    // é and è share their first byte, which is held back with the character it belongs to.
    var matcher = try StopStringMatcher(["é!", "😀😀"])
    #expect(matcher.append("è") == "è")
    #expect(matcher.append("é") == "")
    #expect(matcher.append("?😀") == "é?")
    #expect(matcher.append("😁") == "😀😁")
  }

  @Test func `without stop strings all text passes`() throws {
    var matcher = try StopStringMatcher([])
    #expect(matcher.append("abc") == "abc")
    #expect(matcher.finish() == "")
  }

  @Test func `an empty stop string is refused`() {
    #expect(throws: SamplingError.self) { try StopStringMatcher(["a", ""]) }
  }

  @Test(arguments: UInt64(0)..<300) func `the pieces do not matter`(seed: UInt64) throws {
    var random = TestRandom(seed: seed)
    func word(_ lengths: ClosedRange<Int>) -> String {
      String(
        (0..<Int.random(in: lengths, using: &random)).map { _ in
          ["a", "b", "ä"].randomElement(using: &random) ?? "a"
        }.joined())
    }
    let stops = (0..<Int.random(in: 1...3, using: &random)).map { _ in word(1...5) }
    let text = word(0...40)
    var matcher = try StopStringMatcher(stops)
    var emitted = ""
    var rest = Substring(text)
    while !rest.isEmpty {
      let piece = rest.prefix(Int.random(in: 1...6, using: &random))
      emitted += matcher.append(String(piece))
      rest = rest.dropFirst(piece.count)
    }
    emitted += matcher.finish()
    let expected = plain(text, stops)
    #expect(emitted == expected.text, "seed \(seed): \(text), stops \(stops)")
    #expect(matcher.match == expected.match, "seed \(seed): \(text), stops \(stops)")
  }
}
