package import BlockwiseFiles

/// The tokenizer of a GGUF file as tokenizer.json and tokenizer_config.json.
package struct TokenizerJSONExport {
  /// tokenizer.json.
  package private(set) var tokenizer: JSONValue = .null
  /// tokenizer_config.json.
  package private(set) var configuration: JSONValue = .null
  /// What the reader of the result should know.
  package private(set) var notes: [String] = []

  private let file: GGUFFile
  private let parts: TokenizerParts
  private static let prefix = "tokenizer.ggml."

  /// Builds both.
  ///
  /// - Parameters:
  ///   - tokenizer: the same tokenizer, loaded.
  ///   - contextLength: positions of the model.
  /// - Throws: ``TokenizerError`` that names what tokenizer.json has no place for.
  package init(_ file: GGUFFile, tokenizer loaded: Tokenizer, contextLength: Int) throws {
    self.file = file
    parts = loaded.parts
    do {
      let model = file[Self.prefix + "model"]?.stringValue ?? "none"
      guard ["gpt2", "llama"].contains(model) else {
        throw TokenizerError.unsupported(component: "model", kind: model, supported: ["gpt2", "llama"])
      }
      let isByteLevel = model == "gpt2"
      let types = file[Self.prefix + "token_type"]?.arrayValue?.integers
      tokenizer = isByteLevel ? try byteLevel(types) : try sentencePiece(types)
      configuration = settings(loaded, contextLength: contextLength)
    } catch let error as TokenizerError {
      throw TokenizerError.inFile(file.path, error)
    }
  }

  // MARK: tokenizer.json

  private func frame(
    normalizer: JSONValue, preTokenizer: JSONValue, decoder: JSONValue, model: JSONObject
  ) -> JSONValue {
    [
      "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": addedTokens,
      "normalizer": normalizer, "pre_tokenizer": preTokenizer, "post_processor": postProcessor,
      "decoder": decoder, "model": .object(model),
    ]
  }

  private var addedTokens: JSONValue {
    .array(
      parts.addedTokens.sorted { $0.identifier < $1.identifier }.map { token in
        [
          "id": .integer(Int64(token.identifier)), "content": .string(token.content),
          "single_word": .bool(token.matchesWholeWord), "lstrip": .bool(token.stripsLeft),
          "rstrip": .bool(token.stripsRight), "normalized": .bool(token.isNormalized),
          "special": .bool(token.isSpecial),
        ]
      })
  }

  private func content(_ identifier: Int32) -> String {
    parts.addedTokens.first { $0.identifier == identifier }?.content
      ?? parts.vocabulary.string(Int(identifier))
  }

  private var postProcessor: JSONValue {
    if parts.prefix.isEmpty, parts.suffix.isEmpty { return .null }
    func special(_ token: Int32) -> JSONValue {
      ["SpecialToken": ["id": .string(content(token)), "type_id": 0]]
    }
    func text(_ name: String) -> JSONValue { ["Sequence": ["id": .string(name), "type_id": 0]] }
    let (before, after) = (parts.prefix.map(special), parts.suffix.map(special))
    var tokens = JSONObject()
    for token in parts.prefix + parts.suffix {
      let name = content(token)
      tokens[name] = [
        "id": .string(name), "ids": [.integer(Int64(token))], "tokens": [.string(name)],
      ]
    }
    return [
      "type": "TemplateProcessing", "single": .array(before + [text("A")] + after),
      "pair": .array(before + [text("A")] + after + before + [text("B")] + after),
      "special_tokens": .object(tokens),
    ]
  }

  /// The texts of all indices; nil where a row has no token.
  private func texts(_ types: [Int]?) throws -> [String?] {
    guard let strings = file[Self.prefix + "tokens"]?.arrayValue?.strings else {
      throw TokenizerError.missingKey(Self.prefix + "tokens")
    }
    return strings.enumerated().map { index, bytes in
      let text = String(decoding: bytes, as: UTF8.self)  // the loader has checked that it is UTF-8
      let isFiller = types?[index] == 5 && text == "[PAD\(index)]"
      return isFiller || text.isEmpty ? nil : text
    }
  }

  private func model(
    _ texts: [String?], unknown: JSONValue, fallsBackToBytes: Bool, ignoresMerges: Bool, merges: [JSONValue]
  ) -> JSONObject {
    var vocabulary = JSONObject()
    for (index, text) in texts.enumerated() {
      if let text, vocabulary[text] == nil { vocabulary[text] = .integer(Int64(index)) }
    }
    var model = JSONObject()
    model["type"] = "BPE"
    model["dropout"] = .null
    model["unk_token"] = unknown
    model["continuing_subword_prefix"] = .null
    model["end_of_word_suffix"] = .null
    model["fuse_unk"] = .bool(fallsBackToBytes)
    model["byte_fallback"] = .bool(fallsBackToBytes)
    model["ignore_merges"] = .bool(ignoresMerges)
    model["vocab"] = .object(vocabulary)
    model["merges"] = .array(merges)
    return model
  }

  private func byteLevel(_ types: [Int]?) throws -> JSONValue {
    let pre = try file[Self.prefix + "pre"]?.stringValue.map { try GGUFPreTokenizer.named($0) } ?? .fallback
    let rules = file[Self.prefix + "merges"]?.arrayValue?.strings.map(Array.init) ?? []
    let merges: [JSONValue] = try rules.map { rule in
      guard let space = rule.firstIndex(of: 0x20) else {
        throw TokenizerError.invalidValue(
          key: Self.prefix + "merges", found: "a rule without a space", expected: "two tokens and a space")
      }
      return [
        .string(String(decoding: rule[..<space], as: UTF8.self)),
        .string(String(decoding: rule[(space + 1)...], as: UTF8.self)),
      ]
    }
    let model = model(
      try texts(types), unknown: .null, fallsBackToBytes: false, ignoresMerges: pre.prefersWholeWords,
      merges: merges)
    return frame(
      normalizer: pre.normalizers.isEmpty ? .null : ["type": "NFC"], preTokenizer: pre.json,
      decoder: GGUFPreTokenizer.bytes(usesPattern: true), model: model)
  }

  private func sentencePiece(_ types: [Int]?) throws -> JSONValue {
    let texts = try texts(types)
    guard let scores = file[Self.prefix + "scores"]?.arrayValue?.numbers, scores.count == texts.count else {
      throw TokenizerError.missingKey(Self.prefix + "scores")
    }
    let addsPrefix = file[Self.prefix + "add_space_prefix"]?.boolValue ?? true
    let mark = "\u{2581}"
    let replace: JSONValue = ["type": "Replace", "pattern": ["String": " "], "content": .string(mark)]
    let normalizer: JSONValue =
      addsPrefix
      ? [
        "type": "Sequence", "normalizers": [["type": "Prepend", "prepend": .string(mark)], replace],
      ] : replace
    var decoders: [JSONValue] = [
      ["type": "Replace", "pattern": ["String": .string(mark)], "content": " "], ["type": "ByteFallback"],
      ["type": "Fuse"],
    ]
    if addsPrefix { decoders.append(["type": "Strip", "content": " ", "start": 1, "stop": 0]) }
    let unknown = parts.special.unknown.map { JSONValue.string(content($0.rawValue)) } ?? .null
    let model = model(
      texts, unknown: unknown, fallsBackToBytes: true, ignoresMerges: false,
      merges: merges(texts, scores, types))
    return frame(
      normalizer: normalizer, preTokenizer: .null,
      decoder: ["type": "Sequence", "decoders": .array(decoders)], model: model)
  }

  /// Every way to join two tokens to a third, the ones with the highest score first.
  private func merges(_ texts: [String?], _ scores: [Double], _ types: [Int]?) -> [JSONValue] {
    var places: [[UInt8]: Int] = [:]
    for (index, text) in texts.enumerated() {
      // Only what takes part in merging: normal and user-defined tokens.
      guard let text, [1, 4].contains(types?[index] ?? 1) else { continue }
      if places[Array(text.utf8)] == nil { places[Array(text.utf8)] = index }
    }
    let order = places.sorted { (-scores[$0.value], $0.value) < (-scores[$1.value], $1.value) }
    var rules: [JSONValue] = []
    for (token, _) in order where token.count > 1 {
      var splits: [(left: Int, right: Int, rule: JSONValue)] = []
      for cut in 1..<token.count where token[cut] & 0xC0 != 0x80 {
        let (left, right) = (token[..<cut], token[cut...])
        guard let first = places[Array(left)], let second = places[Array(right)] else { continue }
        splits.append(
          (
            first, second,
            [.string(String(decoding: left, as: UTF8.self)), .string(String(decoding: right, as: UTF8.self))]
          ))
      }
      splits.sort { ($0.left, $0.right) < ($1.left, $1.right) }
      rules += splits.map(\.rule)
    }
    return rules
  }

  // MARK: tokenizer_config.json

  private func settings(_ tokenizer: Tokenizer, contextLength: Int) -> JSONValue {
    var object = JSONObject()
    object["tokenizer_class"] = "PreTrainedTokenizerFast"
    object["add_bos_token"] = .bool(!parts.prefix.isEmpty)
    object["add_eos_token"] = .bool(!parts.suffix.isEmpty)
    for (key, token) in [
      ("bos_token", tokenizer.bosToken), ("eos_token", tokenizer.eosToken), ("pad_token", tokenizer.padToken),
      ("unk_token", tokenizer.unknownToken), ("mask_token", tokenizer.maskToken),
    ] {
      if let token { object[key] = .string(content(token.rawValue)) }
    }
    object["clean_up_tokenization_spaces"] = .bool(false)
    object["model_max_length"] = .integer(Int64(contextLength))
    let main = file["tokenizer.chat_template"]?.stringValue
    var named: [(String, String)] = []
    for key in file.keys where key.hasPrefix("tokenizer.chat_template.") {
      if let text = file[key]?.stringValue {
        named.append((String(key.dropFirst("tokenizer.chat_template.".count)), text))
      }
    }
    if named.isEmpty {
      if let main { object["chat_template"] = .string(main) }
    } else {
      if let main { named.insert(("default", main), at: 0) }
      object["chat_template"] = .array(
        named.map { ["name": .string($0.0), "template": .string($0.1)] })
    }
    return .object(object)
  }
}

extension GGUFPreTokenizer {
  /// The steps as `pre_tokenizer` of tokenizer.json: a cut per expression, then the bytes' alphabet.
  fileprivate var json: JSONValue {
    let splits = expressions.map { expression -> JSONValue in
      [
        "type": "Split", "pattern": ["Regex": .string(expression)], "behavior": "Isolated", "invert": false,
      ]
    }
    return ["type": "Sequence", "pretokenizers": .array(splits + [Self.bytes(usesPattern: false)])]
  }

  fileprivate static func bytes(usesPattern: Bool) -> JSONValue {
    [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": .bool(usesPattern),
    ]
  }
}
