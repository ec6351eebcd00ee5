internal import BlockwiseFiles

/// Reads the tokenizer of a folder that has a SentencePiece `tokenizer.model` and no `tokenizer.json`.
///
/// Around the model stand the files of the older layout: `tokenizer_config.json` (roles, beginning and end of a
/// text), `special_tokens_map.json` (roles), `added_tokens.json` (tokens behind the model's own).
struct SentencePieceLoader {
  /// tokenizer_config.json.
  var configuration: JSONValue?
  /// special_tokens_map.json.
  var specialTokensMap: JSONValue?
  /// added_tokens.json.
  var addedTokens: JSONValue?

  /// What a family of tokenizers puts around a text unless its configuration says otherwise.
  private struct Habit {
    var addsBOS = false
    var addsEOS = false
  }

  /// The classes of `tokenizer_config.json` whose habits are known.
  private static let habits: [String: Habit] = [
    "Llama": Habit(addsBOS: true), "CodeLlama": Habit(addsBOS: true), "Gemma": Habit(addsBOS: true),
    "T5": Habit(addsEOS: true), "MT5": Habit(addsEOS: true), "BigBird": Habit(), "PreTrained": Habit(),
  ]

  /// Families whose indices are not those of the model file.
  private static let shifted = [
    "XLMRoberta", "Camembert", "MBart", "MBart50", "Nllb", "M2M100", "Barthez", "XGLM", "Pegasus", "Plbart",
    "Deberta-v2", "DebertaV2", "Speech2Text", "Seamless", "SeamlessM4T",
  ]

  /// Reads everything.
  func load(_ bytes: UnsafeBufferPointer<UInt8>) throws -> TokenizerParts {
    let model = try SentencePieceModel(bytes)
    if model.spacesAreSuffixes {
      throw TokenizerError.unsupported(
        component: "trainer_spec", kind: "treat_whitespace_as_suffix", supported: ["a space before the text"])
    }
    let limit = min(max(bytes.count, 1 << 16), 1 << 28)
    var vocabulary = Vocabulary(expectedCount: model.pieces.count, expectedByteCount: bytes.count / 2)
    for (index, piece) in model.pieces.enumerated() {
      try vocabulary.insert(piece.text, identifier: Int64(index), limit: limit)
    }
    let types = model.pieces.map(\.type)
    let unknown = try unknownToken(types, model)
    try checkBytes(vocabulary, types, model)

    var normalizer = SentencePieceNormalizer()
    normalizer.addsPrefix = model.addsPrefix
    normalizer.removesExtraSpaces = model.removesExtraSpaces
    normalizer.escapesSpaces = model.escapesSpaces
    normalizer.prefixesOnlyStart = configuration?["legacy"]?.boolValue == false
    if !model.characterMap.isEmpty {
      normalizer.map = try CharacterMap(
        model.characterMap, key: "normalizer_spec.precompiled_charsmap")
    }
    let scores = model.pieces.map(\.score)
    var parts: TokenizerParts
    switch model.kind {
    case .unigram:
      parts = SentencePieceBuilder.unigram(
        vocabulary, scores: scores, types: types, unknown: unknown,
        fallsBackToBytes: model.fallsBackToBytes, normalizer)
    case .pairs:
      parts = SentencePieceBuilder.pairs(
        vocabulary, scores: scores, types: types, unknown: unknown,
        fallsBackToBytes: model.fallsBackToBytes, normalizer)
    case .word, .character:
      throw TokenizerError.unsupported(
        component: "trainer_spec.model_type", kind: "\(model.kind)", supported: ["unigram", "pairs (BPE)"])
    }
    try addTokens(types, to: &parts, limit: limit)
    let habit = try habit(model.kind, &parts.warnings)
    let configuration = completedConfiguration(model, vocabulary)
    let reader = SpecialTokenReader(configuration: configuration, limit: limit)
    try reader.apply(TextFrame(), to: &parts)
    if configuration["add_bos_token"] == nil, habit.addsBOS, let bos = parts.special.bos {
      parts.prefix = [bos.rawValue]
    }
    if configuration["add_eos_token"] == nil, habit.addsEOS, let eos = parts.special.eos {
      parts.suffix = [eos.rawValue]
    }
    if parts.special.unknown == nil { parts.special.unknown = TokenID(unknown) }
    return parts
  }

  private func unknownToken(_ types: [PieceType], _ model: SentencePieceModel) throws -> Int32 {
    let found = types.indices.filter { types[$0] == .unknown }
    guard found.count == 1 else {
      throw TokenizerError.invalidValue(
        key: "pieces", found: "\(found.count) pieces of the unknown type", expected: "exactly one")
    }
    return Int32(truncatingIfNeeded: found[0])
  }

  /// With byte fallback, each byte has its token.
  private func checkBytes(
    _ vocabulary: Vocabulary, _ types: [PieceType], _ model: SentencePieceModel
  ) throws {
    guard model.fallsBackToBytes else { return }
    for byte in UInt8.min...UInt8.max {
      let name = DecoderStep.name(ofByte: byte)
      let found = vocabulary.find(name)
      guard found >= 0, types[Int(found)] == .byte else {
        throw TokenizerError.missingKey("pieces: \(String(decoding: name, as: UTF8.self)) of the byte type")
      }
    }
  }

  /// The model's control tokens, and those that the other files add.
  private func addTokens(_ types: [PieceType], to parts: inout TokenizerParts, limit: Int) throws {
    for (index, type) in types.enumerated() where type == .control || type == .unknown {
      parts.addedTokens.append(
        AddedToken(
          content: parts.vocabulary.string(index), identifier: Int32(truncatingIfNeeded: index),
          isSpecial: true))
    }
    guard let addedTokens, !addedTokens.isNull else { return try addNamedTokens(to: &parts) }
    guard let entries = addedTokens.objectValue else {
      throw TokenizerError.invalidValue(
        key: "added_tokens.json", found: addedTokens.summary, expected: "an object")
    }
    let special = additionalSpecialTokens()
    var known = Set(parts.addedTokens.map(\.identifier))
    for (content, value) in entries {
      guard let identifier = value.integerValue, identifier >= 0, identifier < limit,
        let narrow = Int32(exactly: identifier)
      else {
        throw TokenizerError.invalidValue(
          key: "added_tokens.json: " + content, found: value.summary, expected: "an index below \(limit)")
      }
      if content.isEmpty || !known.insert(narrow).inserted { continue }
      let declared = configuration?["added_tokens_decoder"]?["\(identifier)"]
      var token = AddedToken(content: content, identifier: narrow)
      if let declared {
        let entry = ComponentReader(value: declared, path: "added_tokens_decoder.\(identifier)")
        token = try SpecialTokenReader.addedToken(
          entry, identifier: identifier, content: content, limit: limit)
      }
      token.isSpecial = token.isSpecial || special.contains(content)
      token.isNormalized = false
      parts.addedTokens.append(token)
    }
    try addNamedTokens(to: &parts)
  }

  /// Entries of the vocabulary that a configuration declares special.
  private func addNamedTokens(to parts: inout TokenizerParts) throws {
    let places = Dictionary(zip(parts.addedTokens.map(\.content), parts.addedTokens.indices)) { first, _ in
      first
    }
    for content in additionalSpecialTokens().sorted() {
      if let index = places[content] {
        parts.addedTokens[index].isSpecial = true
        continue
      }
      let found = parts.vocabulary.find(content)
      guard found >= 0 else { continue }
      parts.addedTokens.append(AddedToken(content: content, identifier: found, isSpecial: true))
    }
  }

  private func additionalSpecialTokens() -> Set<String> {
    let lists = [configuration, specialTokensMap].compactMap { $0?["additional_special_tokens"]?.arrayValue }
    return Set(lists.joined().compactMap { $0.stringValue ?? $0["content"]?.stringValue })
  }

  private func habit(_ kind: SentencePieceModel.Kind, _ warnings: inout [String]) throws -> Habit {
    guard let name = configuration?["tokenizer_class"]?.stringValue else {
      let assumed = kind == .pairs ? "a beginning-of-text token, as Llama does" : "nothing"
      let isDecided = configuration?["add_bos_token"] != nil && configuration?["add_eos_token"] != nil
      if !isDecided {
        warnings.append("no tokenizer_class says what stands around a text; \(assumed) is assumed")
      }
      return Habit(addsBOS: kind == .pairs)
    }
    var family = name
    for suffix in ["Fast", "Tokenizer"] where family.hasSuffix(suffix) {
      family.removeLast(suffix.count)
    }
    if Self.shifted.contains(family) {
      throw TokenizerError.unsupported(
        component: "tokenizer_class", kind: name,
        supported: Self.habits.keys.sorted().map { $0 + "Tokenizer" } + ["others with a tokenizer.json"])
    }
    if let habit = Self.habits[family] { return habit }
    warnings.append("the tokenizer_class '\(name)' is not known; nothing is put around a text")
    return Habit()
  }

  /// The configuration with the roles that the other files give.
  private func completedConfiguration(_ model: SentencePieceModel, _ vocabulary: Vocabulary) -> JSONValue {
    var object = configuration?.objectValue ?? JSONObject()
    for key in ["bos_token", "eos_token", "unk_token", "pad_token", "mask_token"] where object[key] == nil {
      if let role = specialTokensMap?[key] { object[key] = role }
    }
    let own = [
      ("bos_token", model.bosIdentifier), ("eos_token", model.eosIdentifier),
      ("pad_token", model.padIdentifier), ("unk_token", model.unknownIdentifier),
    ]
    for (key, identifier) in own where object[key] == nil && vocabulary.contains(Int(identifier)) {
      let isReserved = model.pieces[Int(identifier)].type
      if isReserved == .control || isReserved == .unknown {
        object[key] = .string(vocabulary.string(Int(identifier)))
      }
    }
    return .object(object)
  }
}
