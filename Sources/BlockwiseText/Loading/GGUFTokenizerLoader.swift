internal import BlockwiseFiles

/// Reads the tokenizer from a GGUF file's metadata.
struct GGUFTokenizerLoader {
  private let file: GGUFFile
  private static let prefix = "tokenizer.ggml."

  init(_ file: GGUFFile) { self.file = file }

  /// Reads everything.
  func load() throws -> TokenizerParts {
    guard let model = try string("model") else { throw TokenizerError.missingKey(Self.prefix + "model") }
    switch model {
    case "gpt2": return try loadByteLevel()
    case "llama": return try loadSentencePiece()
    case "t5": return try loadUnigram()
    default:
      throw TokenizerError.unsupported(
        component: Self.prefix + "model", kind: model, supported: ["gpt2", "llama", "t5"])
    }
  }

  // MARK: Byte-level

  private func loadByteLevel() throws -> TokenizerParts {
    let (vocabulary, types) = try readVocabulary()
    var warnings: [String] = []
    let preTokenizer: GGUFPreTokenizer
    if let name = try string("pre") {
      preTokenizer = try .named(name)
    } else {
      preTokenizer = .fallback
      warnings.append(
        "the file does not name its pre-tokeniser (\(Self.prefix)pre); a common default is assumed, which is wrong for most models"
      )
    }
    guard let rules = file[Self.prefix + "merges"] else {
      throw TokenizerError.missingKey(Self.prefix + "merges")
    }
    guard let strings = rules.arrayValue?.strings else {
      throw invalid("merges", rules, "an array of strings")
    }
    var builder = MergeBuilder(vocabulary: vocabulary, expectedCount: strings.count)
    for rule in strings {
      guard UTF8Text.firstInvalidOffset(rule.bindMemory(to: UInt8.self)) == nil else {
        throw builder.fault("is not UTF-8")
      }
      try builder.add(spaced: rule.bindMemory(to: UInt8.self))
    }
    var encoder = MergeEncoder(merges: builder, vocabulary: vocabulary, isByteLevel: true)
    encoder.prefersWholeWords = preTokenizer.prefersWholeWords
    var parts = TokenizerParts(vocabulary: vocabulary, encoder: .merges(encoder))
    parts.preTokenizers = try preTokenizer.steps()
    parts.normalizers = preTokenizer.normalizers
    parts.decoder = [.byteLevel]
    parts.warnings = warnings
    try addSpecialTokens(
      types, to: &parts, defaults: SpecialTokens(), addsBeginning: preTokenizer.addsBeginning)
    return parts
  }

  // MARK: SentencePiece

  private func loadSentencePiece() throws -> TokenizerParts {
    let (vocabulary, types) = try readVocabulary()
    let encoder = ScoreEncoder(
      vocabulary: vocabulary, scores: try readScores(count: types.count),
      isMergeable: types.map { $0 == .normal || $0 == .userDefined },
      unknownToken: try token("unknown_token_id", vocabulary)?.rawValue ?? -1)
    var parts = TokenizerParts(vocabulary: vocabulary, encoder: .scores(encoder))
    let addsPrefix = try bool("add_space_prefix") ?? true
    if addsPrefix { parts.normalizers.append(.prepend(SpaceMark.bytes)) }
    parts.normalizers.append(.replace([0x20], with: SpaceMark.bytes))
    parts.decoder = [.replace(SpaceMark.bytes, with: [0x20]), .plainBytes]
    if addsPrefix { parts.decoder.append(.strip([0x20], start: 1, stop: 0)) }
    var defaults = SpecialTokens()
    // The format's defaults, for files that leave the roles out.
    if vocabulary.contains(2) { (defaults.unknown, defaults.bos, defaults.eos) = (0, 1, 2) }
    try addSpecialTokens(types, to: &parts, defaults: defaults, addsBeginning: true)
    return parts
  }

  // MARK: Unigram

  private func loadUnigram() throws -> TokenizerParts {
    let (vocabulary, types) = try readVocabulary()
    var normalizer = SentencePieceNormalizer()
    normalizer.addsPrefix = try bool("add_space_prefix") ?? true
    normalizer.removesExtraSpaces = try bool("remove_extra_whitespaces") ?? true
    if let found = file[Self.prefix + "precompiled_charsmap"] {
      guard let numbers = found.arrayValue?.integers, numbers.allSatisfy({ -128...255 ~= $0 }) else {
        throw invalid("precompiled_charsmap", found, "an array of bytes")
      }
      let blob = numbers.map { UInt8(truncatingIfNeeded: $0) }
      if !blob.isEmpty {
        normalizer.map = try CharacterMap(blob, key: Self.prefix + "precompiled_charsmap")
      }
    }
    var defaults = SpecialTokens()
    // The format's defaults, for files that leave the roles out.
    if vocabulary.contains(2) { (defaults.pad, defaults.eos, defaults.unknown) = (0, 1, 2) }
    let unknown = try token("unknown_token_id", vocabulary) ?? defaults.unknown
    var parts = SentencePieceBuilder.unigram(
      vocabulary, scores: try readScores(count: types.count), types: types,
      unknown: unknown?.rawValue ?? -1, fallsBackToBytes: types.contains(.byte), normalizer)
    try addSpecialTokens(types, to: &parts, defaults: defaults, addsBeginning: false, addsEnd: true)
    return parts
  }

  // MARK: Common parts

  private func readScores(count: Int) throws -> [Float] {
    guard let found = file[Self.prefix + "scores"] else {
      throw TokenizerError.missingKey(Self.prefix + "scores")
    }
    guard let scores = found.arrayValue?.numbers, scores.count == count else {
      throw invalid("scores", found, "an array of \(count) numbers")
    }
    guard scores.allSatisfy({ Float($0).isFinite }) else {
      throw TokenizerError.invalidValue(
        key: Self.prefix + "scores", found: "a score that is not finite", expected: "finite scores")
    }
    return scores.map { Float($0) }
  }

  private func readVocabulary() throws -> (Vocabulary, [PieceType]) {
    guard let found = file[Self.prefix + "tokens"] else {
      throw TokenizerError.missingKey(Self.prefix + "tokens")
    }
    guard let tokens = found.arrayValue?.strings, !tokens.isEmpty else {
      throw invalid("tokens", found, "an array of strings that is not empty")
    }
    // Damage of the tokens is reported before that of their types.
    let types = Result { try readTypes(count: tokens.count) }
    let known = try? types.get()
    var vocabulary = Vocabulary(expectedCount: tokens.count)
    for (index, token) in tokens.enumerated() {
      let text = token.bindMemory(to: UInt8.self)
      // Rows without a token are written as empty strings, or as fillers that name their index.
      if text.isEmpty || known?[index] == .unused && text.elementsEqual("[PAD\(index)]".utf8) { continue }
      guard UTF8Text.firstInvalidOffset(text) == nil else {
        throw TokenizerError.invalidValue(
          key: Self.prefix + "tokens", found: "bytes that are not UTF-8 at index \(index)", expected: "UTF-8")
      }
      try vocabulary.insert(text, identifier: Int64(index), limit: tokens.count)
    }
    return (vocabulary, try types.get())
  }

  private func readTypes(count: Int) throws -> [PieceType] {
    guard let found = file[Self.prefix + "token_type"] else {
      return [PieceType](repeating: .normal, count: count)
    }
    guard let numbers = found.arrayValue?.integers, numbers.count == count else {
      throw invalid("token_type", found, "an array of \(count) integers")
    }
    // Types outside the list come from newer writers and mean nothing to a tokenizer.
    return numbers.map { Int32(exactly: $0).flatMap(PieceType.init(rawValue:)) ?? .normal }
  }

  private func addSpecialTokens(
    _ types: [PieceType], to parts: inout TokenizerParts, defaults: SpecialTokens, addsBeginning: Bool,
    addsEnd: Bool = false
  ) throws {
    let vocabulary = parts.vocabulary
    parts.special.bos = try token("bos_token_id", vocabulary) ?? defaults.bos
    parts.special.eos = try token("eos_token_id", vocabulary) ?? defaults.eos
    parts.special.unknown = try token("unknown_token_id", vocabulary) ?? defaults.unknown
    parts.special.pad = try token("padding_token_id", vocabulary)
    parts.special.mask = try token("mask_token_id", vocabulary)
    let others = try ["eot_token_id", "eom_token_id"].compactMap { try token($0, vocabulary) }
    let roles = [parts.special.bos, parts.special.eos, parts.special.pad, parts.special.mask].compactMap {
      $0
    }
    let special = Set((roles + others).map(\.rawValue))

    let isUnigram = if case .unigram = parts.encoder { true } else { false }
    // Phi-3's control tokens swallow the whitespace behind them, which the format has no key for.
    let name = file["general.name"]?.stringValue?.lowercased() ?? ""
    let isPhi3 = name.contains("phi-3") || name.contains("phi3")
    for (index, type) in types.enumerated() where vocabulary.contains(index) {
      // The unigram encoder and its normaliser find user-defined tokens themselves.
      let isSearched = type == .control || type == .unknown || (type == .userDefined && !isUnigram)
      let identifier = Int32(truncatingIfNeeded: index)
      guard isSearched || special.contains(identifier) else { continue }
      var added = AddedToken(content: vocabulary.string(index), identifier: identifier)
      added.isSpecial = type != .userDefined || special.contains(identifier)
      added.stripsRight = isPhi3 && !["<unk>", "<s>", "<|endoftext|>"].contains(added.content)
      parts.addedTokens.append(added)
    }
    if parts.special.mask == nil { parts.special.mask = SpecialTokenReader.wellKnownMask(parts.addedTokens) }
    if try bool("add_bos_token") ?? addsBeginning, let bos = parts.special.bos {
      parts.prefix = [bos.rawValue]
    }
    if try bool("add_eos_token") ?? addsEnd, let eos = parts.special.eos { parts.suffix = [eos.rawValue] }
  }

  // MARK: Keys

  private func string(_ key: String) throws -> String? {
    guard let found = file[Self.prefix + key] else { return nil }
    guard let string = found.stringValue else { throw invalid(key, found, "a string") }
    return string
  }

  private func bool(_ key: String) throws -> Bool? {
    guard let found = file[Self.prefix + key] else { return nil }
    guard let bool = found.boolValue else { throw invalid(key, found, "true or false") }
    return bool
  }

  private func token(_ key: String, _ vocabulary: Vocabulary) throws -> TokenID? {
    guard let found = file[Self.prefix + key] else { return nil }
    guard let index = found.integerValue, vocabulary.contains(index) else {
      throw invalid(key, found, "an index below \(vocabulary.identifierLimit)")
    }
    return TokenID(index)
  }

  private func invalid(_ key: String, _ found: GGUFValue, _ expected: String) -> TokenizerError {
    .invalidValue(key: Self.prefix + key, found: found.summary, expected: expected)
  }
}
