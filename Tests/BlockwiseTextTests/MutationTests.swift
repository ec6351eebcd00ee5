import BlockwiseFiles
import BlockwiseTestSupport
import BlockwiseText
import Testing

/// Thousands of damaged tokenizers: each gives a typed error, or works on any text and any tokens.
struct MutationTests {
  @Test(arguments: 0..<6 as Range<UInt64>)
  func `a tokenizer file with damaged bytes is refused or works`(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let variants = try #require(try TokenizerFixtures.own("tokenizers/pipelines.json").arrayValue)
    for round in 0..<400 {
      let variant = try #require(variants.randomElement(using: &random))
      let bytes = random.damaged(try #require(variant["tokenizer"]).bytes())
      try check("seed \(seed), round \(round)") { try Tokenizer.load(tokenizerJSON: bytes) }
    }
  }

  @Test(arguments: 0..<6 as Range<UInt64>)
  func `a tokenizer file with values in wrong places is refused or works`(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let variants = try #require(try TokenizerFixtures.own("tokenizers/pipelines.json").arrayValue)
    var worked = 0
    for round in 0..<400 {
      let variant = try #require(variants.randomElement(using: &random))
      var tokenizer = try #require(variant["tokenizer"])
      tokenizer = mutated(tokenizer, &random)
      let configuration: JSONValue = [
        "bos_token": "<s>", "add_bos_token": true, "added_tokens_decoder": ["7": ["content": "<x>"]],
      ]
      let changed = Bool.random(using: &random) ? mutated(configuration, &random) : nil
      worked += try check("seed \(seed), round \(round)") {
        try Tokenizer.load(tokenizerJSON: tokenizer.bytes(), configuration: changed)
      }
    }
    #expect(worked > 0, "seed \(seed)")
  }

  @Test(arguments: 0..<6 as Range<UInt64>)
  func `a GGUF vocabulary with damaged bytes is refused or works`(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let folder = try TemporaryFolder()
    var worked = 0
    for round in 0..<300 {
      var builder = GGUFBuilder()
      builder.metadata =
        Bool.random(using: &random) ? GGUFTokenizerTests.byteLevel() : GGUFTokenizerTests.sentencePiece()
      let path = try folder.write("a.gguf", random.damaged(builder.bytes()))
      // What the file reader refuses is its own matter.
      guard let file = try? GGUFFile(path: path) else { continue }
      worked += try check("seed \(seed), round \(round)") { try Tokenizer.load(gguf: file) }
    }
    #expect(worked > 0, "seed \(seed)")
  }

  /// Uses a tokenizer that loaded; lets nothing but typed errors pass. Returns 1 if it loaded.
  @discardableResult
  private func check(_ name: String, _ load: () throws -> Tokenizer) throws -> Int {
    let tokenizer: Tokenizer
    do {
      tokenizer = try load()
    } catch let error as TokenizerError {
      #expect(!error.description.isEmpty)
      return 0
    } catch {
      Issue.record("\(name): \(error)")
      return 0
    }
    #expect(tokenizer.vocabularyCount <= 1 << 20, "\(name)")
    for text in [
      "", "hello <s>world 12 ½ É\u{301} 中🙂\n\n  aaaaaaaa▁\u{0}", String(repeating: "ab ", count: 60),
    ] {
      for token in tokenizer.encode(text) {
        #expect((0..<tokenizer.vocabularyCount).contains(token.index), "\(name)")
      }
    }
    let tokens = (-1...min(tokenizer.vocabularyCount, 600)).map { TokenID($0) }
    #expect(tokenizer.decode(tokens).utf8.count < 1 << 20, "\(name)")
    var detokenizer = tokenizer.makeDetokenizer(skipSpecialTokens: false)
    let streamed = tokens.map { detokenizer.append($0) }.joined() + detokenizer.finish()
    #expect(
      same(streamed, tokenizer.decode(tokens))
        || tokenizer.hasBrokenByteRun(tokens, skipSpecialTokens: false), "\(name)")
    for token in tokens { _ = tokenizer.bytes(of: token) }
    return 1
  }

  /// Values that are wrong almost everywhere.
  private static let intruders: [JSONValue] = [
    nil, true, 0, -1, 1, 3, 65_536, 2_147_483_647, 2_147_483_648, 9_223_372_036_854_775_807, 1.5, 1e300, "",
    "a", "é",
    "▁", "\u{0}", "<0x41>", "Sequence", "ByteLevel", "BPE", "Regex", [], ["a"], [nil], [["a", "b", "c"]], [:],
    ["type": "Sequence"], ["type": "Replace", "pattern": ["String": ""], "content": ""], ["id": -5],
    [
      "type": "Strip", "content": "ab", "start": 9_223_372_036_854_775_807, "stop": 9_223_372_036_854_775_807,
    ],
    ["type": "Sequence", "decoders": [["type": "Fuse"], ["type": "ByteLevel"]]],
    [
      "type": "Sequence",
      "normalizers": [["type": "NFKC"], ["type": "Lowercase"], ["type": "Prepend", "prepend": "a"]],
    ],
  ]

  /// The value with one place in it removed or replaced.
  private func mutated(_ value: JSONValue, _ random: inout SplitMix) -> JSONValue {
    let stops = Int.random(in: 0..<8, using: &random) == 0
    switch value {
    case .object(var object) where !stops && !object.isEmpty:
      let key = object.keys.randomElement(using: &random) ?? ""
      if Int.random(in: 0..<10, using: &random) == 0 {
        object[key] = nil
      } else if let member = object[key] {
        object[key] = mutated(member, &random)
      }
      return .object(object)
    case .array(var elements) where !stops && !elements.isEmpty:
      let index = elements.indices.randomElement(using: &random) ?? 0
      switch Int.random(in: 0..<10, using: &random) {
      case 0: elements.remove(at: index)
      case 1: elements.append(elements[index])
      default: elements[index] = mutated(elements[index], &random)
      }
      return .array(elements)
    default: return Self.intruders.randomElement(using: &random) ?? .null
    }
  }
}
