import BlockwiseFiles
import BlockwiseTestSupport
import BlockwiseText
import Testing

/// Tokenizers in the metadata of GGUF files that the tests write themselves.
struct GGUFTokenizerTests {
  typealias Value = GGUFBuilder.Value

  /// A byte-level vocabulary of single bytes, `ab`, and a control token.
  static func byteLevel(pre: String? = "llama-bpe") -> [(key: String, value: Value)] {
    var tokens = (0...UInt8.max).map { byte in
      String(Unicode.Scalar(ByteAlphabetCopy.scalars[Int(byte)]) ?? "?")
    }
    tokens += ["ab", "<s>"]
    var metadata: [(key: String, value: Value)] = [
      ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.tokens", .strings(tokens)),
      ("tokenizer.ggml.merges", .strings(["a b"])),
      ("tokenizer.ggml.token_type", types(tokens.count, [257: 3])),
      ("tokenizer.ggml.bos_token_id", .integer(UInt32(257))),
    ]
    if let pre { metadata.append(("tokenizer.ggml.pre", .string(pre))) }
    return metadata
  }

  /// A SentencePiece vocabulary whose scores prefer `ab` to `bc`.
  static func sentencePiece() -> [(key: String, value: Value)] {
    let bytes = (0..<256).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return "<0x" + (digits.count == 1 ? "0" : "") + digits + ">"
    }
    let tokens =
      ["<unk>", "<s>", "</s>"] + bytes + [
        "▁", "a", "b", "c", "ab", "bc", "abc", "▁a", "<user>", "s", "<", ">",
      ]
    var scores = [Float](repeating: 0, count: tokens.count)
    for (token, score) in [("ab", -1), ("bc", -2), ("abc", -3), ("▁a", -4)] as [(String, Float)] {
      if let index = tokens.firstIndex(of: token) { scores[index] = score }
    }
    var special: [Int: Int32] = [0: 2, 1: 3, 2: 3, 267: 4]
    for index in 3..<259 { special[index] = 6 }
    return [
      ("tokenizer.ggml.model", .string("llama")), ("tokenizer.ggml.tokens", .strings(tokens)),
      ("tokenizer.ggml.scores", .array(scores.map(Value.float), type: 6)),
      ("tokenizer.ggml.token_type", types(tokens.count, special)),
    ]
  }

  private static func types(_ count: Int, _ special: [Int: Int32]) -> Value {
    .array((0..<count).map { .integer(special[$0] ?? 1) }, type: 5)
  }

  static func load(_ metadata: [(key: String, value: Value)]) throws -> Tokenizer {
    var builder = GGUFBuilder()
    builder.metadata = metadata
    let folder = try TemporaryFolder()
    let path = try folder.write("vocabulary.gguf", builder.bytes())
    return try withExtendedLifetime(folder) { try Tokenizer.load(gguf: try GGUFFile(path: path)) }
  }

  /// The error of a file, without the file's name.
  private func error(_ metadata: [(key: String, value: Value)]) -> TokenizerError? {
    do {
      _ = try Self.load(metadata)
      return nil
    } catch TokenizerError.inFile(_, let error) {
      return error
    } catch {
      Issue.record("\(error)")
      return nil
    }
  }

  @Test func `scores decide which pair merges first, then the place`() throws {
    let tokenizer = try Self.load(Self.sentencePiece())
    func id(_ text: String) throws -> TokenID { try #require(tokenizer.token(text)) }
    #expect(try tokenizer.encode("bcabc", addSpecialTokens: false) == [id("▁"), id("bc"), id("abc")])
    #expect(try tokenizer.encode("abab") == [1, id("▁"), id("ab"), id("ab")])
    #expect(try tokenizer.encode("a a") == [1, id("▁a"), id("▁a")])
    #expect(try tokenizer.encode("é", addSpecialTokens: false) == [id("▁"), id("<0xC3>"), id("<0xA9>")])
    #expect(tokenizer.encode("") == [1] && tokenizer.encode("", addSpecialTokens: false) == [])
    #expect(tokenizer.decode(tokenizer.encode("a bé c"), skipSpecialTokens: true) == "a bé c")
    #expect(tokenizer.decode(tokenizer.encode(" a")) == "<s>  a")
  }

  @Test func `text cannot spell a control token when special tokens are plain text`() throws {
    let tokenizer = try Self.load(Self.sentencePiece())
    func id(_ text: String) throws -> TokenID { try #require(tokenizer.token(text)) }
    #expect(tokenizer.encode("<s>", addSpecialTokens: false) == [1])
    #expect(
      try tokenizer.encode("<s><user>", addSpecialTokens: false, parseSpecialTokens: false)
        == [id("▁"), id("<"), id("s"), id(">"), id("<user>")])
  }

  @Test func `the prefix space can be switched off`() throws {
    let tokenizer = try Self.load(Self.sentencePiece() + [("tokenizer.ggml.add_space_prefix", .bool(false))])
    let ids = tokenizer.encode("ab", addSpecialTokens: false)
    #expect(ids == [try #require(tokenizer.token("ab"))])
    #expect(tokenizer.decode(tokenizer.encode(" ab", addSpecialTokens: false)) == " ab")
  }

  @Test func `a byte-level vocabulary takes its options from the pre-tokeniser's name and the keys`() throws {
    let llama = try Self.load(Self.byteLevel())
    #expect(llama.bosToken == 257)
    #expect(llama.encode("ab") == [257, 256])
    #expect(llama.warnings == [])
    let quiet = try Self.load(Self.byteLevel() + [("tokenizer.ggml.add_bos_token", .bool(false))])
    #expect(quiet.encode("ab<s>") == [256, 257])
    #expect(try Self.load(Self.byteLevel(pre: "qwen2")).encode("ab") == [256])
  }

  @Test func `a missing pre-tokeniser warns and an unknown one is refused by name`() throws {
    let warnings = try Self.load(Self.byteLevel(pre: nil)).warnings
    #expect(warnings.count == 1 && warnings[0].contains("tokenizer.ggml.pre"))
    guard case .unknownPreTokenizer("novel", let supported) = error(Self.byteLevel(pre: "novel")) else {
      Issue.record("not refused")
      return
    }
    #expect(supported.contains("llama-bpe"))
  }

  @Test func `damaged keys are named`() {
    func replacing(_ key: String, _ value: Value?, in metadata: [(key: String, value: Value)])
      -> TokenizerError?
    {
      var metadata = metadata.filter { $0.key != "tokenizer.ggml." + key }
      if let value { metadata.append(("tokenizer.ggml." + key, value)) }
      return error(metadata)
    }
    #expect(replacing("model", nil, in: Self.byteLevel()) == .missingKey("tokenizer.ggml.model"))
    #expect(
      replacing("model", .string("bert"), in: Self.byteLevel())
        == .unsupported(component: "tokenizer.ggml.model", kind: "bert", supported: ["gpt2", "llama", "t5"]))
    #expect(
      replacing("model", .string("t5"), in: Self.byteLevel()) == .missingKey("tokenizer.ggml.scores"))
    #expect(replacing("merges", nil, in: Self.byteLevel()) == .missingKey("tokenizer.ggml.merges"))
    #expect(replacing("scores", nil, in: Self.sentencePiece()) == .missingKey("tokenizer.ggml.scores"))
    #expect(
      replacing("merges", .strings(["a b", "a é"]), in: Self.byteLevel())
        == .badMerge(index: 1, reason: "needs 'aé', which is not in the vocabulary"))
    #expect(
      replacing("bos_token_id", .integer(UInt32(258)), in: Self.byteLevel())
        == .invalidValue(key: "tokenizer.ggml.bos_token_id", found: "258", expected: "an index below 258"))
    #expect(
      replacing("tokens", .strings(["a", "a"]), in: Self.byteLevel()) == .duplicateToken("a"))
    for (key, value) in [
      ("tokens", .strings([])), ("token_type", .array([.integer(Int32(1))], type: 5)),
      ("merges", .bool(true)),
      ("pre", .bool(true)), ("add_bos_token", .string("yes")),
    ] as [(String, Value)] {
      guard case .invalidValue("tokenizer.ggml." + key, _, _) = replacing(key, value, in: Self.byteLevel())
      else {
        Issue.record("\(key)")
        continue
      }
    }
    var scores = Self.sentencePiece()
    scores[2].value = .array((0..<270).map { .float($0 == 9 ? .nan : 0) }, type: 6)
    #expect(error(scores) != nil)
  }
}

/// The byte alphabet of byte-level vocabularies, written down again so that the tests do not use what they test.
enum ByteAlphabetCopy {
  static let scalars: [UInt32] = {
    var next: UInt32 = 255
    return (0..<256).map { byte in
      let isPrintable = (33...126).contains(byte) || (161...255).contains(byte) && byte != 173
      if isPrintable { return UInt32(byte) }
      next += 1
      return next
    }
  }()
}
