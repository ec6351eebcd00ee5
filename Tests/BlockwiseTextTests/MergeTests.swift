import BlockwiseFiles
import BlockwiseTestSupport
import BlockwiseText
import Testing

/// Merging against the definition: the best pair of the whole word, again and again.
struct MergeTests {
  @Test(arguments: 0..<12 as Range<UInt64>)
  func `merging equals the naive algorithm for words of any length`(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    var tokens = ["a", "b", "c", "d"]
    var rules: [(String, String)] = []
    for _ in 0..<40 {
      guard let left = tokens.randomElement(using: &random), let right = tokens.randomElement(using: &random),
        !tokens.contains(left + right), left.count + right.count < 12
      else { continue }
      rules.append((left, right))
      tokens.append(left + right)
      // A second way to the same token, with its own rank.
      if let first = tokens.first(where: {
        (left + right).hasPrefix($0) && $0 != left && $0.count < (left + right).count
      }) {
        let rest = String((left + right).dropFirst(first.count))
        if tokens.contains(rest) { rules.append((first, rest)) }
      }
    }
    rules.shuffle(using: &random)
    var vocabulary = JSONObject()
    for (index, token) in tokens.enumerated() { vocabulary[token] = .integer(Int64(index)) }
    let model: JSONValue = [
      "model": [
        "type": "BPE", "vocab": .object(vocabulary), "merges": .array(rules.map { .string("\($0) \($1)") }),
      ]
    ]
    let tokenizer = try Tokenizer.load(tokenizerJSON: model.bytes())
    for length in [1, 2, 3, 7, 20, 23, 24, 25, 26, 40, 90, 300] {
      let word = (0..<length).map { _ in tokens[Int.random(in: 0..<4, using: &random)] }
      let expected = naive(word, rules).map { TokenID(tokens.firstIndex(of: $0) ?? -1) }
      #expect(tokenizer.encode(word.joined()) == expected, "seed \(seed), \(word.joined())")
    }
  }

  private func naive(_ word: [String], _ rules: [(String, String)]) -> [String] {
    var word = word
    while true {
      var best: (rank: Int, place: Int)?
      for place in word.indices.dropLast() {
        // The later of two equal rules counts, as in the reference.
        guard let rank = rules.lastIndex(where: { $0 == (word[place], word[place + 1]) }) else { continue }
        if best.map({ rank < $0.rank }) ?? true { best = (rank, place) }
      }
      guard let place = best?.place else { return word }
      word[place] += word.remove(at: place + 1)
    }
  }

  @Test func `a megabyte without a break is encoded without quadratic work`() throws {
    let json = try #require(
      try TokenizerFixtures.own("tokenizers/pipelines.json").arrayValue?.first {
        $0["name"] == "fused unknown"
      })
    let tokenizer = try Tokenizer.load(tokenizerJSON: try #require(json["tokenizer"]).bytes())
    // Quadratic work would take hours here, so this test ends only if there is none.
    for unit in ["a", " ", "中", "hello"] {
      let text = String(repeating: unit, count: 1 << 20 / unit.utf8.count)
      #expect(!tokenizer.encode(text, addSpecialTokens: false).isEmpty)
    }
  }
}
