import BlockwiseFiles
import BlockwiseText
import Testing

/// A small tokenizer to change one thing of.
private func tokenizer(
  _ model: JSONValue = ["type": "BPE", "vocab": ["a": 0, "b": 1, "ab": 2], "merges": ["a b"]],
  _ parts: (String, JSONValue)...
) -> [UInt8] {
  var object = JSONObject()
  object["model"] = model
  for (key, value) in parts { object[key] = value }
  return JSONValue.object(object).bytes()
}

struct LoadingTests {
  @Test func `a model without a type name is a byte-pair encoding when it has merges`() throws {
    let loaded = try Tokenizer.load(
      tokenizerJSON: tokenizer(["vocab": ["a": 0, "b": 1, "ab": 2], "merges": [["a", "b"]]]))
    #expect(loaded.encode("abba") == [2, 1, 0])
    #expect(loaded.vocabularyCount == 3)
  }

  @Test(arguments: ["WordPiece", "WordLevel", "Novel"])
  func `a model of another kind is refused by name`(kind: String) {
    #expect(
      throws: TokenizerError.unsupported(component: "model", kind: kind, supported: ["BPE", "Unigram"])
    ) {
      try Tokenizer.load(tokenizerJSON: tokenizer(["type": .string(kind), "vocab": [:], "merges": []]))
    }
  }

  @Test(arguments: ["normalizer", "pre_tokenizer", "post_processor", "decoder"])
  func `a component of an unknown kind is refused by name`(component: String) {
    let error = #expect(throws: TokenizerError.self) {
      try Tokenizer.load(
        tokenizerJSON: tokenizer(
          ["type": "BPE", "vocab": ["a": 0], "merges": []], (component, ["type": "Novel"])))
    }
    guard case .unsupported(let found, "Novel", let supported) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(found == component)
    #expect(supported.contains("Sequence"))
  }

  @Test func `constructs that are not interpreted are refused by name`() {
    for (expression, reason) in [
      ("(?<=a)b", "a lookbehind"), ("(?<n>a)", "a named group"), (#"\p{Emoji}"#, #"the property \p{Emoji}"#),
      ("[[:alpha:]]", "a POSIX class"), (#"(a)\1"#, #"the escape \1"#), (#"\X"#, #"the escape \X"#),
      ("a(", "'('"),
      ("a)", "')'"), ("[a", "'['"), ("*", "nothing to repeat"), (#"\"#, "at the end"), ("(?x)a", "(?x"),
      ("(?:(?:(?:a{900}b){900}){900})", "multiply"), ("a{2000}", "more than 1000"),
      ("[z-a]", "the range z-a"),
      (String(repeating: "(", count: 90) + String(repeating: ")", count: 90), "nested"),
      (#"\x{110000}"#, "no scalar"), ("(?=a)+", "a repeated lookahead"),
    ] {
      let split: JSONValue = [
        "type": "Split", "pattern": ["Regex": .string(expression)], "behavior": "Isolated", "invert": false,
      ]
      let error = #expect(throws: TokenizerError.self) {
        try Tokenizer.load(
          tokenizerJSON: tokenizer(
            ["type": "BPE", "vocab": ["a": 0], "merges": []], ("pre_tokenizer", split)))
      }
      guard case .unsupportedExpression(expression, let found) = error else {
        Issue.record("\(expression): \(String(describing: error))")
        continue
      }
      #expect(found.contains(reason), "\(expression): \(found)")
    }
  }

  @Test func `an index far beyond the vocabulary is refused before memory is taken for it`() {
    for identifier in [1 << 31, 1 << 40, 900_000_000, -1] as [Int64] {
      #expect(
        throws: TokenizerError.identifierOutOfRange(token: "b", identifier: identifier, limit: 1 << 16)
      ) {
        try Tokenizer.load(
          tokenizerJSON: tokenizer(
            ["type": "BPE", "vocab": ["a": 0, "b": .integer(identifier)], "merges": []]))
      }
    }
    let added: JSONValue = [["id": 2_147_483_648, "content": "<x>", "special": true]]
    #expect(throws: TokenizerError.identifierOutOfRange(token: "<x>", identifier: 1 << 31, limit: 1 << 16)) {
      try Tokenizer.load(
        tokenizerJSON: tokenizer(["type": "BPE", "vocab": ["a": 0], "merges": []], ("added_tokens", added)))
    }
  }

  @Test func `two tokens on one index are refused, whichever list they come from`() {
    #expect(throws: TokenizerError.duplicateIdentifier(0, first: "a", second: "b")) {
      try Tokenizer.load(tokenizerJSON: tokenizer(["type": "BPE", "vocab": ["a": 0, "b": 0], "merges": []]))
    }
    #expect(throws: TokenizerError.duplicateIdentifier(0, first: "a", second: "<x>")) {
      try Tokenizer.load(
        tokenizerJSON: tokenizer(
          ["type": "BPE", "vocab": ["a": 0], "merges": []], ("added_tokens", [["id": 0, "content": "<x>"]])))
    }
    #expect(throws: TokenizerError.duplicateIdentifier(7, first: "<x>", second: "<y>")) {
      try Tokenizer.load(
        tokenizerJSON: tokenizer(
          ["type": "BPE", "vocab": ["a": 0], "merges": []],
          ("added_tokens", [["id": 7, "content": "<x>"], ["id": 7, "content": "<y>"]])))
    }
  }

  @Test func `a merge that names an unknown token or is malformed is refused with its index`() {
    for (merges, index, word) in [
      (["a b", "a c"], 1, "'c'"), (["b a"], 0, "'ba'"), (["ab"], 0, "'ab'"), (["a b c"], 0, "'a b c'"),
      ([["a"]], 0, "1 sides"), ([["a", "b", "a"]], 0, "more than two"),
    ] as [(JSONValue, Int, String)] {
      let error = #expect(throws: TokenizerError.self) {
        try Tokenizer.load(
          tokenizerJSON: tokenizer(
            ["type": "BPE", "vocab": ["a": 0, "b": 1, "ab": 2, "c d": 3], "merges": merges]))
      }
      guard case .badMerge(index, let reason) = error else {
        Issue.record("\(merges): \(String(describing: error))")
        continue
      }
      #expect(reason.contains(word))
    }
  }

  @Test func `missing and mistyped keys are named`() {
    #expect(throws: TokenizerError.missingKey("model.vocab")) {
      try Tokenizer.load(tokenizerJSON: tokenizer(["type": "BPE", "merges": []]))
    }
    #expect(throws: TokenizerError.missingKey("model.merges")) {
      try Tokenizer.load(tokenizerJSON: tokenizer(["type": "BPE", "vocab": [:]]))
    }
    #expect(
      throws: TokenizerError.invalidValue(
        key: "model.dropout", found: "0.1", expected: "null: encoding is deterministic")
    ) {
      try Tokenizer.load(
        tokenizerJSON: tokenizer(["type": "BPE", "vocab": [:], "merges": [], "dropout": 0.1]))
    }
    #expect(throws: TokenizerError.unknownSpecialToken("<unk>", key: "model.unk_token")) {
      try Tokenizer.load(
        tokenizerJSON: tokenizer(["type": "BPE", "vocab": [:], "merges": [], "unk_token": "<unk>"]))
    }
  }

  @Test func `malformed JSON is reported with its place`() {
    let error = #expect(throws: TokenizerError.self) {
      try Tokenizer.load(tokenizerJSON: Array(#"{"model": {"vocab": {"a": 0,}}}"#.utf8))
    }
    guard case .json(let fault) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(fault.offset == 28)
  }

  @Test func `a missing file is reported with its path`() {
    let error = #expect(throws: TokenizerError.self) { try Tokenizer.load(folder: "/nonexistent/model") }
    #expect("\(String(describing: error))".contains("/nonexistent/model/tokenizer.json"))
  }

  @Test func `the configuration gives tokens roles and decides about the frame`() throws {
    let json = tokenizer(
      ["type": "BPE", "vocab": ["a": 0, "b": 1, "<s>": 2], "merges": []],
      ("added_tokens", [["id": 3, "content": "<|mask|>", "special": true]]))
    let configuration: JSONValue = [
      "bos_token": "<s>", "eos_token": ["content": "<e>"], "pad_token": "<gone>", "add_bos_token": true,
      "add_eos_token": true,
      "added_tokens_decoder": ["3": ["content": "<|mask|>"], "5": ["content": "<e>", "special": true]],
    ]
    let loaded = try Tokenizer.load(tokenizerJSON: json, configuration: configuration)
    #expect(loaded.bosToken == 2)
    #expect(loaded.eosToken == 5)
    #expect(loaded.maskToken == 3)
    #expect(loaded.padToken == nil)
    #expect(loaded.warnings.count == 1 && loaded.warnings[0].contains("<gone>"))
    #expect(loaded.vocabularyCount == 6)
    #expect(loaded.encode("ab") == [2, 0, 1, 5])
    #expect(loaded.encode("a<s>b<e>", addSpecialTokens: false) == [0, 2, 1, 5])
    #expect([2, 3, 5].allSatisfy { loaded.isSpecial(TokenID($0 as Int)) })
    #expect(!loaded.isSpecial(0) && !loaded.isSpecial(4) && !loaded.isSpecial(-1))
    #expect(loaded.decode([2, 0, 4, 1, 99, -5, 5], skipSpecialTokens: true) == "a b")
  }

  @Test func `special tokens in the text can be taken as plain text`() throws {
    let json = tokenizer(
      ["type": "BPE", "vocab": ["a": 0, "<": 1, "s": 2, ">": 3], "merges": []],
      (
        "added_tokens",
        [["id": 4, "content": "<s>", "special": true], ["id": 5, "content": "aa", "special": false]]
      ))
    let loaded = try Tokenizer.load(tokenizerJSON: json)
    #expect(loaded.encode("a<s>aa") == [0, 4, 5])
    #expect(loaded.encode("a<s>aa", parseSpecialTokens: false) == [0, 1, 2, 3, 5])
  }

  @Test func `bytes that are not UTF-8 are refused with their place`() throws {
    let loaded = try Tokenizer.load(tokenizerJSON: tokenizer())
    #expect(try loaded.encode(utf8: Array("ab".utf8)) == [2])
    for (bytes, offset) in [
      ([0x61, 0xFF], 1), ([0xC3], 0), ([0x61, 0xE2, 0x82], 1), ([0xED, 0xA0, 0x80], 0), ([0xC0, 0x80], 0),
      ([0x61, 0x62, 0xF4, 0x90, 0x80, 0x80], 2),
    ] as [([UInt8], Int)] {
      #expect(throws: TokenizerError.invalidUTF8(offset: offset)) { try loaded.encode(utf8: bytes) }
    }
  }

  @Test func `spelling, bytes and lookup of tokens agree`() throws {
    let variant = try #require(StreamingTests.tokenizers.first { $0.name == "byte level with prefix space" })
    let tokenizer = variant.tokenizer
    let space = try #require(tokenizer.token("Ġ"))
    #expect(tokenizer.bytes(of: space) == [0x20])
    for identifier in 0..<tokenizer.vocabularyCount {
      let token = TokenID(identifier)
      guard let spelling = tokenizer.spelling(of: token) else { continue }
      #expect(tokenizer.token(spelling) == token)
      #expect(!tokenizer.bytes(of: token).isEmpty)
    }
    #expect(tokenizer.bytes(of: -1) == [] && tokenizer.spelling(of: TokenID(1 << 20)) == nil)
    #expect(tokenizer.token("no such token") == nil)
  }
}
