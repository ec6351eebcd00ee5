import BlockwiseFiles
import BlockwiseTestSupport
import BlockwiseText
import Testing

/// Folders that hold a SentencePiece `tokenizer.model` instead of a `tokenizer.json`.
struct SentencePieceTests {
  /// A byte-pair encoding that prefers `ab` to `bc`, with byte fallback, as Llama's models are.
  static func pairs() -> SentencePieceWriter {
    var model = SentencePieceWriter()
    model.modelType = 2
    model.pieces = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3)]
    for byte in 0..<256 {
      let digits = String(byte, radix: 16, uppercase: true)
      model.pieces.append(("<0x" + (digits.count == 1 ? "0" : "") + digits + ">", 0, 6))
    }
    model.pieces += [
      ("▁", -9, 1), ("a", -9, 1), ("b", -9, 1), ("c", -9, 1), ("ab", -1, 1), ("bc", -2, 1), ("abc", -3, 1),
      ("▁a", -4, 1), ("<user>", 0, 4), ("ca", -5, 5), ("cab", -6, 1),
    ]
    model.trainer = [(35, 1)]
    model.normalizer = [(4, 0)]
    return model
  }

  static func unigram() -> SentencePieceWriter {
    var model = SentencePieceWriter()
    model.pieces = [
      ("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("▁", -3, 1), ("a", -2, 1), ("b", -2, 1),
      ("▁ab", -3, 1),
      ("ab", -5, 1), ("bb", -1, 4), ("x", -1, 5),
    ]
    return model
  }

  static func load(
    _ model: SentencePieceWriter, configuration: JSONValue? = nil, specialTokensMap: JSONValue? = nil,
    addedTokens: JSONValue? = nil
  ) throws -> Tokenizer {
    try model.bytes().withUnsafeBytes {
      try Tokenizer.load(
        sentencePiece: $0, configuration: configuration, specialTokensMap: specialTokensMap,
        addedTokens: addedTokens)
    }
  }

  private func error(_ model: SentencePieceWriter, configuration: JSONValue? = nil) -> TokenizerError? {
    do {
      _ = try Self.load(model, configuration: configuration)
      return nil
    } catch {
      return error as? TokenizerError
    }
  }

  private let bare: JSONValue = ["add_bos_token": false, "add_eos_token": false]

  @Test func `pairs merge by score, user-defined tokens stay whole, unused ones fall apart`() throws {
    let tokenizer = try Self.load(Self.pairs(), configuration: bare)
    func ids(_ pieces: String...) throws -> [TokenID] {
      try pieces.map { try #require(tokenizer.token($0), "\($0)") }
    }
    #expect(try tokenizer.encode("bcabc") == ids("▁", "bc", "abc"))
    #expect(try tokenizer.encode("a  a") == ids("▁a", "▁", "▁a"))
    #expect(try tokenizer.encode("b<user>a") == ids("▁", "b", "<user>", "a"))
    #expect(try tokenizer.encode("bca") == ids("▁", "bc", "a"))
    #expect(try tokenizer.encode("cca") == ids("▁", "c", "c", "a"))
    #expect(try tokenizer.encode("é") == ids("▁", "<0xC3>", "<0xA9>"))
    #expect(tokenizer.decode(tokenizer.encode("a bé\nc")) == "a bé\nc")
  }

  @Test func `the normaliser's switches are honoured`() throws {
    var model = Self.unigram()
    let folding = try Self.load(model, configuration: bare)
    func ids(_ pieces: String...) throws -> [TokenID] {
      try pieces.map { try #require(folding.token($0), "\($0)") }
    }
    #expect(try folding.encode("  ab   a ") == ids("▁ab", "▁", "a"))
    #expect(folding.encode("   ") == [] && folding.encode("") == [])
    model.normalizer = [(4, 0)]
    #expect(try Self.load(model, configuration: bare).encode(" ab ") == ids("▁", "▁ab", "▁"))
    model.normalizer = [(4, 0), (3, 0)]
    #expect(try Self.load(model, configuration: bare).encode("ab ab") == ids("a", "b", "▁ab"))
    #expect(try folding.encode("abb") == ids("▁", "a", "bb"))
    #expect(try folding.encode("aéßb") == ids("▁", "a", "<unk>", "b"))
    #expect(try folding.encode("ax") == ids("▁", "a", "<unk>"))
  }

  @Test func `roles, added tokens and the frame come from the files beside the model`() throws {
    let tokenizer = try Self.load(
      Self.pairs(), configuration: ["tokenizer_class": "LlamaTokenizer"],
      specialTokensMap: ["pad_token": ["content": "<pad>"], "additional_special_tokens": ["<x>"]],
      addedTokens: ["<pad>": 270, "<x>": 272, "plain": 271])
    #expect(tokenizer.warnings == [])
    #expect(tokenizer.bosToken == 1 && tokenizer.eosToken == 2 && tokenizer.unknownToken == 0)
    #expect(tokenizer.padToken == 270 && tokenizer.vocabularyCount == 273)
    #expect(tokenizer.isSpecial(272) && !tokenizer.isSpecial(271))
    #expect(tokenizer.encode("<x>plain") == [1, 272, 271])
    #expect(
      try Self.load(Self.unigram(), configuration: ["tokenizer_class": "T5TokenizerFast"]).encode("ab") == [
        6, 2,
      ])
    #expect(try Self.load(Self.pairs()).encode("ab") == [1, 259, 263])
    #expect(try Self.load(Self.pairs()).warnings.count == 1)
  }

  @Test func `a space stands before the first text alone where the configuration says so`() throws {
    let legacy = try Self.load(Self.pairs(), configuration: ["tokenizer_class": "LlamaTokenizer"])
    #expect(legacy.encode("b</s>b", addSpecialTokens: false) == [259, 261, 2, 259, 261])
    let modern = try Self.load(
      Self.pairs(), configuration: ["tokenizer_class": "LlamaTokenizer", "legacy": false])
    #expect(modern.encode("b</s>b", addSpecialTokens: false) == [259, 261, 2, 261])
  }

  @Test func `a folder with a tokenizer model alone loads, and tokenizer json comes first`() throws {
    let folder = try TemporaryFolder()
    try folder.write("tokenizer.model", Self.pairs().bytes())
    try folder.write("tokenizer_config.json", #"{"add_bos_token": true, "add_eos_token": true}"#)
    try folder.write("added_tokens.json", #"{"<x>": 300}"#)
    let tokenizer = try Tokenizer.load(folder: folder.path)
    #expect(tokenizer.encode("ab<x>") == [1, 259, 263, 300, 2])
    try folder.write("added_tokens.json", #"{"<x>": -1}"#)
    let error = #expect(throws: TokenizerError.self) { try Tokenizer.load(folder: folder.path) }
    #expect("\(String(describing: error))".contains("tokenizer.model"))
    try folder.write("tokenizer.json", UnigramTests.json())
    #expect(try Tokenizer.load(folder: folder.path).encode("ab", addSpecialTokens: false) == [1, 2])
  }

  @Test func `what cannot be honoured is refused by name`() {
    var model = Self.pairs()
    model.modelType = 3
    guard case .unsupported("trainer_spec.model_type", "word", _) = error(model) else {
      Issue.record("words")
      return
    }
    model = Self.pairs()
    model.trainer.append((24, 1))
    guard case .unsupported("trainer_spec", "treat_whitespace_as_suffix", _) = error(model) else {
      Issue.record("suffixes")
      return
    }
    let shifted: JSONValue = ["tokenizer_class": "XLMRobertaTokenizer"]
    guard
      case .unsupported("tokenizer_class", "XLMRobertaTokenizer", _) = error(
        Self.unigram(), configuration: shifted)
    else {
      Issue.record("shifted")
      return
    }
  }

  @Test func `damaged models are refused with their place`() {
    var model = Self.pairs()
    model.pieces[5].score = .nan
    #expect(
      error(model) == .invalidValue(key: "pieces[5].score", found: "nan", expected: "a finite number"))
    model = Self.pairs()
    model.pieces[5].type = 7
    #expect(error(model) == .invalidValue(key: "pieces[5].type", found: "7", expected: "a type from 1 to 6"))
    model = Self.pairs()
    model.pieces.remove(at: 5)
    #expect(error(model) == .missingKey("pieces: <0x02> of the byte type"))
    model = Self.pairs()
    model.pieces[0].type = 1
    #expect(
      error(model)
        == .invalidValue(key: "pieces", found: "0 pieces of the unknown type", expected: "exactly one"))
    model.pieces = []
    #expect(error(model) == .missingKey("pieces"))
    model = Self.unigram()
    for map in [[1], [4, 0, 0, 0, 0], [255, 255, 255, 255, 0], [4, 0, 0, 0, 0, 0, 0, 0, 65]] as [[UInt8]] {
      model.characterMap = map
      guard case .invalidValue("normalizer_spec.precompiled_charsmap", _, _) = error(model) else {
        Issue.record("\(map)")
        continue
      }
    }
    // A length beyond the file, and one that would overflow.
    for bytes in [[0x0A, 0x7F, 0x0A], [0x0A] + SentencePieceWriter.varint(.max), [0x80], [0x0B]] as [[UInt8]]
    {
      #expect(throws: TokenizerError.self) {
        try bytes.withUnsafeBytes { try Tokenizer.load(sentencePiece: $0) }
      }
    }
  }

  @Test func `a GGUF file with a unigram vocabulary gives the same tokens as its model file`() throws {
    let model = Self.unigram()
    let loaded = try GGUFTokenizerTests.load([
      ("tokenizer.ggml.model", .string("t5")),
      ("tokenizer.ggml.tokens", .strings(model.pieces.map(\.text))),
      ("tokenizer.ggml.scores", .array(model.pieces.map { .float($0.score) }, type: 6)),
      ("tokenizer.ggml.token_type", .array(model.pieces.map { .integer(Int32($0.type)) }, type: 5)),
      ("tokenizer.ggml.unknown_token_id", .integer(UInt32(0))),
      ("tokenizer.ggml.eos_token_id", .integer(UInt32(2))),
    ])
    let reference = try Self.load(model, configuration: bare)
    for text in ["", "ab", " a  b ", "abb bb", "éa<s>", "x"] {
      #expect(loaded.encode(text) == reference.encode(text) + [2], "\(text)")
      #expect(same(loaded.decode(reference.encode(text)), reference.decode(reference.encode(text))))
    }
  }
}

@Suite(.enabled(if: SharedData.root != nil))
struct SentencePieceParityTests {
  @Test func `Llama's tokenizer model alone gives the tokens and texts of its tokenizer json`() throws {
    let folder = try TemporaryFolder()
    for name in ["tokenizer.model", "tokenizer_config.json"] {
      try folder.write(name, try TokenizerFixtures.bytes("parity/tokenizers/llama-spm/\(name)"))
    }
    let tokenizer = try Tokenizer.load(folder: folder.path)
    #expect(tokenizer.warnings == [])
    for vector in try TokenizerFixtures.vectors("parity/tokenizers/vectors-llama-spm.json") {
      let text = try vector.string("text")
      let ids = try #require(vector["ids"]?.tokens)
      #expect(tokenizer.encode(text, addSpecialTokens: false) == ids, "\(text.debugDescription)")
      #expect(tokenizer.encode(text) == vector["ids_with_special"]?.tokens, "\(text.debugDescription)")
      #expect(same(tokenizer.decode(ids), try vector.string("decoded")), "\(ids)")
    }
    for vector in try TokenizerFixtures.vectors("parity/tokenizers/published-llama-spm.json") {
      let text = try vector.string("text")
      #expect(
        tokenizer.encode(text, addSpecialTokens: false) == vector["ids"]?.tokens, "\(text.debugDescription)")
    }
  }
}
