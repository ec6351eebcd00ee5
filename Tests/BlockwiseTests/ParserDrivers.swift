import Blockwise
import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import BlockwiseText
import Foundation

#if canImport(BlockwiseTestSupport)
  import BlockwiseTestSupport  // the fuzz package compiles those files into its own module
#endif

/// The parsers that read files from elsewhere.
enum ParserDriver: String, CaseIterable, Sendable {
  case json, safetensors, gguf, tokenizer, sentencepiece, vocabulary, template, expression, configuration
}

/// A promise that a parser broke.
struct BrokenPromise: Error, CustomStringConvertible {
  var description: String
}

/// Feeds bytes to a parser and uses what comes out of it. Shared by the damage tests and the fuzz targets.
struct ParserDrivers: Sendable {
  private let folder: String
  private let fixtures: String

  /// - Parameters:
  ///   - folder: a place for the files of this object alone.
  ///   - fixtures: the repository's `Tests/Fixtures`.
  init(folder: String, fixtures: String) throws {
    self.folder = folder
    self.fixtures = fixtures
    try FileManager.default.createDirectory(
      atPath: folder + "/model", withIntermediateDirectories: true)
    for name in ["model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
      let target = folder + "/model/" + name
      if !FileManager.default.fileExists(atPath: target) {
        try FileManager.default.copyItem(atPath: fixtures + "/models/llama/" + name, toPath: target)
      }
    }
  }

  /// Files that are in order, to damage.
  func seeds(_ parser: ParserDriver) throws -> [[UInt8]] {
    switch parser {
    case .json:
      return try ["models/llama/config.json", "models/llama/tokenizer_config.json"].map(fixture) + [
        Array(#"{"a": [1, -2.5e3, true, null, "é\n\u00e9\ud83d\ude42"], "b": {"": [[], {}]}}"#.utf8)
      ]
    case .safetensors: return [try smallSafetensors()]
    case .gguf: return [Self.gguf().bytes(), Self.vocabulary(bytePairs: false).bytes()]
    case .vocabulary:
      return [
        Self.vocabulary(bytePairs: true).bytes(), Self.vocabulary(bytePairs: false).bytes(), Self.unigram(),
      ]
    case .tokenizer:
      let variants = try JSONValue(parsing: try fixture("tokenizers/pipelines.json")).arrayValue ?? []
      return variants.compactMap { $0["tokenizer"]?.bytes() } + [Self.unigramJSON, Self.splittingJSON]
    case .sentencepiece: return [Self.sentencePiece(type: 1).bytes(), Self.sentencePiece(type: 2).bytes()]
    case .template: return Self.templates.map { Array($0.utf8) }
    case .expression: return Self.expressions.map { Array($0.utf8) }
    case .configuration:
      return try ["llama", "mistral", "qwen3", "llada"].map { try fixture("models/\($0)/config.json") }
    }
  }

  /// Reads `bytes` and uses the result; false when they were refused as they should be.
  ///
  /// - Throws: ``BrokenPromise`` for an error of a type that callers do not know, or a result that contradicts itself.
  func run(_ parser: ParserDriver, _ bytes: [UInt8]) async throws -> Bool {
    do {
      if parser == .configuration {
        try await useConfiguration(bytes)
      } else {
        try use(parser, bytes)
      }
      return true
    } catch let promise as BrokenPromise {
      throw promise
    } catch {
      switch error {
      case is JSONError, is ModelFileError, is TokenizerError, is TemplateError, is ModelError:
        guard "\(error)".isEmpty else { return false }
        throw BrokenPromise(description: "an error without words")
      default: throw BrokenPromise(description: "an error of type \(type(of: error)): \(error)")
      }
    }
  }

  // MARK: Parsers

  private func use(_ parser: ParserDriver, _ bytes: [UInt8]) throws {
    switch parser {
    case .json:
      let value = try JSONValue(parsing: bytes)
      guard try JSONValue(parsing: value.bytes()) == value else {
        throw BrokenPromise(description: "JSON that reads differently when written again")
      }
    case .safetensors: try touch(try SafetensorsFile(path: try write("a.safetensors", bytes)))
    case .gguf:
      let file = try GGUFFile(path: try write("a.gguf", bytes))
      try touch(file)
      for key in file.keys where file[key]?.summary.isEmpty == true {
        throw BrokenPromise(description: "a value without a summary")
      }
    case .vocabulary:
      try use(try Tokenizer.load(gguf: try GGUFFile(path: try write("v.gguf", bytes))))
    case .tokenizer: try use(try Tokenizer.load(tokenizerJSON: bytes))
    case .sentencepiece:
      try use(try bytes.withUnsafeBytes { try Tokenizer.load(sentencePiece: $0) })
    case .template:
      let template = try ChatTemplate(source: String(decoding: bytes, as: UTF8.self))
      _ = try template.render(
        messages: Self.messages, tools: Self.tools, bosToken: "<s>", eosToken: "</s>",
        limits: TemplateLimits(stepCount: 20_000, textByteCount: 1 << 20))
    case .expression:
      let split: JSONValue = [
        "type": "Split", "pattern": ["Regex": .string(String(decoding: bytes, as: UTF8.self))],
        "behavior": "MergedWithPrevious", "invert": false,
      ]
      let tokenizer: JSONValue = [
        "pre_tokenizer": split,
        "model": ["type": "BPE", "vocab": ["a": 0, "b": 1, "ab": 2], "merges": ["a b"]],
      ]
      try use(try Tokenizer.load(tokenizerJSON: tokenizer.bytes()))
    case .configuration: break
    }
  }

  /// A whole checkpoint with this `config.json`.
  private func useConfiguration(_ bytes: [UInt8]) async throws {
    _ = try write("model/config.json", bytes)
    let options = ModelLoadOptions(threadCount: 1, memoryLimit: 64 << 20)
    let network = try await LanguageModel.loadNetwork(
      try ModelSource(path: folder + "/model"), options: options)
    let result = BlockResultBuffer()
    try await network.forward(
      [SequencePass(plan: BlockPlan(tokens: [1, 2, 3], at: 0), cache: try network.makeCache())], into: result)
  }

  private func use(_ tokenizer: Tokenizer) throws {
    let count = tokenizer.vocabularyCount
    for text in [
      "", "hello <s>world 12 ½ É\u{301} 中🙂\n\n  aaaaaaaa▁\u{0} 'll a-b", String(repeating: "ab ", count: 40),
    ] {
      for parses in [false, true] {
        let tokens = tokenizer.encode(text, parseSpecialTokens: parses)
        guard tokens.allSatisfy({ (0..<count).contains($0.index) }) else {
          throw BrokenPromise(description: "a token outside the vocabulary")
        }
        _ = tokenizer.decode(tokens)
      }
    }
    let tokens = (-1...min(count, 300)).map { TokenID($0) }
    var detokenizer = tokenizer.makeDetokenizer(skipSpecialTokens: false)
    for token in tokens {
      _ = detokenizer.append(token) + String(decoding: tokenizer.bytes(of: token), as: UTF8.self)
    }
    _ = detokenizer.finish() + tokenizer.decode(tokens)
  }

  private func touch(_ store: any WeightStore) throws {
    var sum = 0
    for name in store.names {
      let view = try store.tensor(named: name)
      guard view.type.byteCount(elementCount: view.elementCount) == view.byteCount else {
        throw BrokenPromise(description: "a tensor whose bytes are not those of its shape")
      }
      for byte in view.bytes { sum &+= Int(byte) }
    }
    if sum == .min { throw BrokenPromise(description: "a sum that no file has") }
  }

  // MARK: Files

  private func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let path = folder + "/" + name
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }

  private func fixture(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: fixtures + "/" + name)))
  }

  private func smallSafetensors() throws -> [UInt8] {
    var writer = SafetensorsWriter(metadata: ["format": "pt"])
    try writer.append("model.norm.weight", shape: [16], floats: Array(repeating: 1, count: 16))
    try writer.append(
      "model.embed.weight", type: .bf16, shape: [4, 8], bytes: Array(repeating: 2, count: 64))
    try writer.append("none", type: .f16, shape: [0], bytes: [])
    try writer.write(to: folder + "/small.safetensors")
    return [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/small.safetensors")))
  }

  private static func gguf() -> GGUFBuilder {
    var builder = GGUFBuilder()
    builder.metadata = [
      ("general.architecture", .string("llama")), ("general.alignment", .integer(UInt32(32))),
      ("llama.rope.freq_base", .float(10000)), ("flag", .bool(true)), ("big", .integer(UInt64.max)),
      ("nested", .array([.array([.bool(true), .bool(false)], type: 7), .strings(["x"])], type: 9)),
      ("scores", .array([.float(0), .float(.nan)], type: 6)),
    ]
    builder.tensors = [
      .init("token_embd.weight", type: 8, dimensions: [64, 4], bytes: Array(repeating: 3, count: 34 * 8)),
      .init("blk.0.attn_norm.weight", type: 0, dimensions: [16], bytes: Array(repeating: 1, count: 64)),
      .init(
        "blk.0.attn_q.weight", type: 12, dimensions: [256, 1, 2], bytes: Array(repeating: 5, count: 288)),
    ]
    return builder
  }

  private static func vocabulary(bytePairs: Bool) -> GGUFBuilder {
    var builder = GGUFBuilder()
    if bytePairs {
      let letters = (33...126).map { String(Unicode.Scalar(UInt8($0))) }
      builder.metadata = [
        ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.pre", .string("deepseek-v3")),
        ("tokenizer.ggml.tokens", .strings(letters + ["Ġ", "ab", "<s>"])),
        ("tokenizer.ggml.merges", .strings(["a b"])), ("tokenizer.ggml.bos_token_id", .integer(UInt32(96))),
        ("tokenizer.ggml.token_type", .array((0..<97).map { .integer(Int32($0 == 96 ? 3 : 1)) }, type: 5)),
      ]
    } else {
      builder.metadata = [
        ("tokenizer.ggml.model", .string("llama")),
        (
          "tokenizer.ggml.tokens",
          .strings(["<unk>", "<s>", "</s>", "<0x41>", "▁", "a", "b", "ab", "▁a", "<user>"])
        ),
        ("tokenizer.ggml.scores", .array((0..<10).map { .float(Float(-$0)) }, type: 6)),
        (
          "tokenizer.ggml.token_type",
          .array([2, 3, 3, 6, 1, 1, 1, 1, 1, 4].map { .integer(Int32($0)) }, type: 5)
        ),
        ("tokenizer.ggml.add_space_prefix", .bool(true)),
      ]
    }
    return builder
  }

  private static func unigram() -> [UInt8] {
    var builder = vocabulary(bytePairs: false)
    builder.metadata[0].value = .string("t5")
    builder.metadata.append(
      ("tokenizer.ggml.precompiled_charsmap", .array(characterMap.map { .integer($0) }, type: 0)))
    return builder.bytes()
  }

  /// A trie that turns A into a.
  private static let characterMap: [UInt8] = {
    var units = [UInt32](repeating: 0, count: 68)
    // The root's offset is 0, so the child for a byte lies at the byte's index; its value lies at offset 1 of it.
    units[0x41] = 0x41 | 1 << 8 | 3 << 10
    units[0x41 ^ 3] = 0
    let bytes = units.flatMap { unit in (0..<4).map { UInt8(truncatingIfNeeded: unit >> UInt32(8 * $0)) } }
    let size = UInt32(bytes.count)
    return (0..<4).map { UInt8(truncatingIfNeeded: size >> UInt32(8 * $0)) } + bytes + Array("a\u{0}".utf8)
  }()

  private static func sentencePiece(type: UInt64) -> SentencePieceWriter {
    var model = SentencePieceWriter()
    model.modelType = type
    model.pieces = [
      ("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("▁", -3, 1), ("a", -2, 1), ("b", -2, 1),
      ("▁ab", -3, 1),
      ("ab", -5, 1), ("bb", -1, 4), ("ba", -1, 5), ("l", -1, 1), ("ll", -2, 1),
    ]
    model.trainer = [(40, 0), (41, 1), (42, 2)]
    model.normalizer = [(3, 1), (4, 1)]
    model.characterMap = characterMap
    return model
  }

  private static let unigramJSON = Array(
    #"{"normalizer": {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}, "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}, "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": true, "vocab": [["<unk>", 0.0], ["▁", -2.5], ["a", -1.25], ["ab", -2.5], ["<0x41>", -3.0]]}}"#
      .utf8)

  private static let splittingJSON = Array(
    #"{"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "(?i:'s|'t)|[^\\r\\n\\p{L}]?\\p{L}+|\\p{N}{1,3}|\\s+(?!\\S)|\\s+"}, "behavior": "Isolated", "invert": false}, {"type": "Punctuation"}, {"type": "ByteLevel", "add_prefix_space": true, "use_regex": true}, {"type": "Digits", "individual_digits": true}]}, "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3}, "merges": [["a", "b"]]}}"#
      .utf8)

  private static let templates = [
    "{% for m in messages %}<|{{ m.role }}|>{{ m['content'] | trim }}{{ eos_token }}{% endfor %}",
    "{%- set ns = namespace(n=0) -%}{% macro f(x, y=1) %}{{ x ~ y }}{% endmacro %}{% for m in messages[::-1] if m.role != 'system' %}{{ f(loop.index0) }}{% set ns.n = ns.n + 1 %}{% else %}none{% endfor %}{{ ns.n }}",
    "{% if tools is defined and tools %}{{ tools | tojson(indent=2) }}{% elif messages | length > 1 %}{{ messages | map(attribute='role') | join(', ') }}{% endif %}",
    "{{ raise_exception('no') if messages[0].role == 'x' else messages[0]['content'].split(' ')[0].upper() }}",
    "{% for i in range(3) %}{% if i == 1 %}{% continue %}{% endif %}{{ '%s' }}{{ i * 2.5 // 1 }}{% endfor %}{# note #}",
  ]

  private static let messages: JSONValue = [
    ["role": "system", "content": "Be brief."], ["role": "user", "content": " Hi <b>\n"],
    [
      "role": "assistant", "content": "", "tool_calls": [["function": ["name": "f", "arguments": ["x": 1]]]],
    ],
  ]
  private static let tools: JSONValue = [["type": "function", "function": ["name": "f", "parameters": [:]]]]

  private static let expressions = [
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
    #"[\p{Lu}\p{Lt}&&[^\p{Han}]]*[a-z\x{e9}-ü]+(?=\b)|(?>a+)b|(a|aa)+$|^.{2,}?"#, #"((a*)*)*b|(?!x)y++"#,
  ]
}
