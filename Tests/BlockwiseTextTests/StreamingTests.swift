import BlockwiseFiles
import BlockwiseTestSupport
import BlockwiseText
import Testing

struct StreamingTests {
  /// The tokenizers of the reference fixtures: byte-level, byte fallback, metaspace, fused and plain decoders.
  static let tokenizers: [(name: String, tokenizer: Tokenizer)] = {
    let variants = (try? TokenizerFixtures.own("tokenizers/pipelines.json").arrayValue) ?? []
    return variants.compactMap { variant in
      guard let name = variant["name"]?.stringValue, let json = variant["tokenizer"]?.bytes(),
        let tokenizer = try? Tokenizer.load(tokenizerJSON: json)
      else { return nil }
      return (name, tokenizer)
    }
  }()

  @Test(arguments: [1, 2, 3] as [UInt64])
  func `streamed text is the decoded text, cut anywhere, and never holds half a character`(seed: UInt64) {
    #expect(Self.tokenizers.count > 20)
    var generator = SplitMix(seed: seed)
    for (name, tokenizer) in Self.tokenizers {
      for _ in 0..<200 {
        let length = Int.random(in: 0...24, using: &generator)
        // A narrow band of ids makes runs of byte tokens, and so both whole and broken characters, likely.
        let low = Int.random(in: 0..<tokenizer.vocabularyCount, using: &generator)
        let band =
          Bool.random(using: &generator)
          ? low..<min(low + 12, tokenizer.vocabularyCount) : 0..<tokenizer.vocabularyCount + 2
        let tokens = (0..<length).map { _ in TokenID(Int.random(in: band, using: &generator)) }
        for skip in [false, true] {
          var detokenizer = tokenizer.makeDetokenizer(skipSpecialTokens: skip)
          var text = ""
          for token in tokens {
            let piece = detokenizer.append(token)
            #expect(Array(piece.utf8).isValidUTF8, "seed \(seed), \(name), \(tokens)")
            text += piece
          }
          text += detokenizer.finish()
          // See the documentation of the type: a broken run of byte tokens is judged as a whole when decoded at once.
          if tokenizer.hasBrokenByteRun(tokens, skipSpecialTokens: skip) { continue }
          let whole = tokenizer.decode(tokens, skipSpecialTokens: skip)
          #expect(same(text, whole), "seed \(seed), \(name), skip \(skip), \(tokens)")
        }
      }
    }
  }

  @Test func `a character made of several tokens comes out whole with its last token`() throws {
    let tokenizer = try #require(Self.tokenizers.first { $0.name == "byte level with prefix space" })
      .tokenizer
    let tokens = tokenizer.encode("🙂", addSpecialTokens: false)
    #expect(tokens.count > 2)
    var detokenizer = tokenizer.makeDetokenizer()
    var pieces = tokens.map { detokenizer.append($0) }
    #expect(detokenizer.finish() == "")
    #expect(pieces.popLast() == "🙂")
    #expect(pieces.joined() == " ")
  }

  @Test func `byte tokens come out with the last byte of a character, and a broken run keeps what came out`()
    throws
  {
    let tokenizer = try #require(Self.tokenizers.first { $0.name == "byte fallback" }).tokenizer
    func pieces(_ names: String...) throws -> [String] {
      var detokenizer = tokenizer.makeDetokenizer()
      var pieces = try names.map { detokenizer.append(try #require(tokenizer.token($0), "\($0)")) }
      pieces.append(detokenizer.finish())
      return pieces
    }
    #expect(try pieces("hello", "<0x0A>", "<0x0A>", "w") == ["hello", "\n", "\n", "w", ""])
    #expect(try pieces("<0xE4>", "<0xB8>", "<0xAD>", "<0x0A>") == ["", "", "中", "\n", ""])
    #expect(try pieces("<0x0A>", "<0xE4>", "w") == ["\n", "", "\u{FFFD}w", ""])
    #expect(
      try pieces("<0x0A>", "<0xE4>", "<0x0A>", "<0x41>", "w", "<0x41>")
        == ["\n", "", "\u{FFFD}\u{FFFD}", "\u{FFFD}", "w", "A", ""])
    #expect(try pieces("<0xE4>") == ["", "\u{FFFD}"])
    // Decoded at once, all of a broken run is replaced, as in the reference.
    let run = try ["<0x0A>", "<0xE4>", "w"].map { try #require(tokenizer.token($0)) }
    #expect(tokenizer.decode(run) == "\u{FFFD}\u{FFFD}w")
  }

  @Test func `a character that never ends becomes one replacement character`() throws {
    let tokenizer = try #require(Self.tokenizers.first { $0.name == "byte level with prefix space" })
      .tokenizer
    let tokens = tokenizer.encode("a🙂", addSpecialTokens: false).dropLast()
    var detokenizer = tokenizer.makeDetokenizer()
    #expect(tokens.map { detokenizer.append($0) }.joined() == " a")
    #expect(detokenizer.finish() == "\u{FFFD}")
  }

  @Test func `a detokenizer that finished starts a new text`() throws {
    let tokenizer = try #require(Self.tokenizers.first { $0.name == "byte fallback" }).tokenizer
    let tokens = tokenizer.encode("hello word", addSpecialTokens: false)
    var detokenizer = tokenizer.makeDetokenizer()
    for _ in 0..<2 {
      let text = tokens.map { detokenizer.append($0) }.joined() + detokenizer.finish()
      #expect(text == "hello word")
    }
  }

  @Test func `the assembler repairs bytes like the standard library, however they are cut`() {
    var generator = SplitMix(seed: 5)
    let alphabet: [UInt8] = [
      0x41, 0x80, 0xBF, 0xC2, 0xE0, 0xA0, 0xED, 0x9F, 0xF0, 0x90, 0xF4, 0x8F, 0xF5, 0xFF, 0xC0,
    ]
    for _ in 0..<5000 {
      let bytes = (0..<Int.random(in: 0...10, using: &generator)).map { _ in
        alphabet.randomElement(using: &generator) ?? 0
      }
      var assembler = UTF8Assembler()
      var output: [UInt8] = []
      for byte in bytes { assembler.append([byte], to: &output) }
      assembler.finish(to: &output)
      #expect(output == Array(String(decoding: bytes, as: UTF8.self).utf8), "\(bytes)")
    }
  }
}

extension Tokenizer {
  /// Whether there is a run of `<0xNN>` tokens that is not UTF-8.
  func hasBrokenByteRun(_ tokens: [TokenID], skipSpecialTokens: Bool) -> Bool {
    var run: [UInt8] = []
    for token in tokens {
      guard let spelling = spelling(of: token), !(skipSpecialTokens && isSpecial(token)) else { continue }
      if spelling.utf8.count == 6, spelling.hasPrefix("<0x"),
        let byte = UInt8(spelling.dropFirst(3).prefix(2), radix: 16)
      {
        run.append(byte)
      } else {
        if !run.isValidUTF8 { return true }
        run = []
      }
    }
    return !run.isValidUTF8
  }
}

extension [UInt8] {
  /// Whether these bytes are UTF-8, as the standard library sees it.
  var isValidUTF8: Bool { String(validating: self, as: UTF8.self) != nil }
}
