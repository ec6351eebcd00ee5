internal import BlockwiseFiles

/// Reads a `tokenizer.json`.
///
/// The vocabulary and the merges, a hundred and fifty thousand entries each, go straight from the text into their
/// tables; everything else is small and read as ``JSONValue``.
struct TokenizerJSONLoader {
  private let reader: JSONReader
  private var small: [String: JSONValue] = [:]
  private var model: [String: JSONValue] = [:]
  /// Where the two long values begin; the merges may come before the vocabulary they need.
  private var vocabularyPlace: JSONReader?
  private var mergesPlace: JSONReader?
  private var addedTokensPlace: JSONReader?
  private var warnings: [String] = []

  init(_ bytes: UnsafeBufferPointer<UInt8>) { reader = JSONReader(bytes) }

  /// Reads everything.
  mutating func load(configuration: JSONValue?) throws -> TokenizerParts {
    do {
      try scan()
      return try build(configuration)
    } catch let error as JSONError {
      throw TokenizerError.json(error)
    }
  }

  // MARK: First pass: where things are

  private mutating func scan() throws {
    var reader = reader
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch reader.string(key) {
      case "model": try scanModel(&reader)
      case "added_tokens":
        addedTokensPlace = reader
        try reader.skipValue()
      case "truncation":
        if try !JSONValue(reading: &reader).isNull {
          warnings.append("the tokenizer's own truncation is not applied: callers decide about lengths")
        }
      case "padding":
        if try !JSONValue(reading: &reader).isNull {
          warnings.append("the tokenizer's own padding is not applied")
        }
      case let name: small[name] = try JSONValue(reading: &reader)
      }
    }
    try reader.finish()
  }

  private mutating func scanModel(_ reader: inout JSONReader) throws {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch reader.string(key) {
      case "vocab":
        vocabularyPlace = reader
        try reader.skipValue()
      case "merges":
        mergesPlace = reader
        try reader.skipValue()
      case let name: model[name] = try JSONValue(reading: &reader)
      }
    }
  }

  // MARK: Second pass: the tokenizer

  private mutating func build(_ configuration: JSONValue?) throws -> TokenizerParts {
    let component = ComponentReader(value: .object(object(model)), path: "model")
    try checkModel(component)
    let vocabulary = try readVocabulary()
    var parts = TokenizerParts(
      vocabulary: vocabulary, encoder: .merges(try encoder(vocabulary, component)))
    parts.addedTokens = try readAddedTokens()
    if let normalizer = read("normalizer") { parts.normalizers = try normalizer.normalizers() }
    if let preTokenizer = read("pre_tokenizer") { parts.preTokenizers = try preTokenizer.preTokenizers() }
    try checkByteLevelIsLast(parts.preTokenizers)
    if let decoder = read("decoder") {
      parts.decoder = try decoder.decoderSteps().checked()
    } else {
      parts.decoder = [.spaced]
    }
    let frame = try read("post_processor")?.frame() ?? TextFrame()
    parts.warnings = warnings
    try SpecialTokenReader(configuration: configuration, limit: identifierLimit).apply(frame, to: &parts)
    if parts.special.unknown == nil, case .merges(let encoder) = parts.encoder, encoder.unknownToken >= 0 {
      parts.special.unknown = TokenID(encoder.unknownToken)
    }
    return parts
  }

  /// Indices at or above this are refused. A file of n bytes has fewer than n tokens, and a vocabulary with gaps
  /// as wide as the file is damaged; this also bounds the memory by the size of the file.
  private var identifierLimit: Int { min(max(reader.text.count, 1 << 16), 1 << 28) }

  private func read(_ key: String) -> ComponentReader? {
    guard let value = small[key], !value.isNull else { return nil }
    return ComponentReader(value: value, path: key)
  }

  private func object(_ members: [String: JSONValue]) -> JSONObject {
    var object = JSONObject()
    for (key, value) in members { object[key] = value }
    return object
  }

  private func checkModel(_ component: ComponentReader) throws {
    let supported = ["BPE"]
    if component.value["type"] == nil {
      // The oldest files do not name the model; only byte-pair encodings have merges.
      guard mergesPlace != nil else { throw TokenizerError.missingKey("model.type") }
    } else if try component.kind != "BPE" {
      throw try component.unsupported("model", supported)
    }
    if let dropout = component.value["dropout"], !dropout.isNull, dropout.numberValue != 0 {
      throw component.invalid("dropout", expected: "null: encoding is deterministic")
    }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let affix = component.value[key], !affix.isNull, affix.stringValue != "" {
        throw component.invalid(key, expected: "null or an empty string")
      }
    }
  }

  private func readVocabulary() throws -> Vocabulary {
    guard var reader = vocabularyPlace else { throw TokenizerError.missingKey("model.vocab") }
    // About 20 bytes per entry with its merge; the table grows when that guess is too low.
    var vocabulary = Vocabulary(expectedCount: min(self.reader.text.count / 40, 1 << 19))
    var unescaped: [UInt8] = []
    try reader.beginObject()
    while let key = try reader.nextKey() {
      let identifier = Int64(try reader.readInt())
      if key.hasEscapes {
        unescaped.removeAll(keepingCapacity: true)
        reader.append(key, to: &unescaped)
        try unescaped.withUnsafeBufferPointer {
          try vocabulary.insert($0, identifier: identifier, limit: identifierLimit)
        }
      } else {
        try vocabulary.insert(reader.rawBytes(key), identifier: identifier, limit: identifierLimit)
      }
    }
    return vocabulary
  }

  private func encoder(_ vocabulary: Vocabulary, _ component: ComponentReader) throws -> MergeEncoder {
    let fallsBack = try component.bool("byte_fallback", default: false)
    let isByteLevel = try read("pre_tokenizer")?.preTokenizers().contains {
      if case .byteLevel = $0 { true } else { false }
    }
    var encoder = MergeEncoder(
      merges: try readMerges(vocabulary), vocabulary: vocabulary, isByteLevel: isByteLevel ?? false)
    encoder.fallsBackToBytes = fallsBack
    encoder.fusesUnknown = try component.bool("fuse_unk", default: false)
    encoder.prefersWholeWords = try component.bool("ignore_merges", default: false)
    if let unknown = component.value["unk_token"], !unknown.isNull {
      let text = try component.string("unk_token")
      encoder.unknownToken = vocabulary.find(text)
      if encoder.unknownToken < 0 {
        throw TokenizerError.unknownSpecialToken(text, key: "model.unk_token")
      }
    }
    return encoder
  }

  private func readMerges(_ vocabulary: Vocabulary) throws -> MergeBuilder {
    guard var reader = mergesPlace else { throw TokenizerError.missingKey("model.merges") }
    var builder = MergeBuilder(
      vocabulary: vocabulary, expectedCount: min(self.reader.text.count / 40, 1 << 19))
    try reader.beginArray()
    while try reader.nextElement() {
      switch try reader.peekKind() {
      case .string:
        let rule = try reader.readString()
        if rule.hasEscapes {
          try reader.bytes(of: rule).withUnsafeBufferPointer { try builder.add(spaced: $0) }
        } else {
          try builder.add(spaced: reader.rawBytes(rule))
        }
      case .array:
        var sides: [JSONReader.StringRange] = []
        try reader.beginArray()
        while try reader.nextElement() {
          let side = try reader.readString()
          if sides.count == 2 { throw builder.fault("has more than two sides") }
          sides.append(side)
        }
        guard sides.count == 2 else { throw builder.fault("has \(sides.count) sides instead of two") }
        if sides[0].hasEscapes || sides[1].hasEscapes {
          let left = reader.bytes(of: sides[0])
          let right = reader.bytes(of: sides[1])
          try left.withUnsafeBufferPointer { left in
            try right.withUnsafeBufferPointer { try builder.add(left, $0) }
          }
        } else {
          try builder.add(reader.rawBytes(sides[0]), reader.rawBytes(sides[1]))
        }
      default: throw reader.fault("a merge rule: a string or an array of two strings")
      }
    }
    return builder
  }

  private func readAddedTokens() throws -> [AddedToken] {
    guard var reader = addedTokensPlace else { return [] }
    guard case .array(let elements) = try JSONValue(reading: &reader) else {
      throw TokenizerError.invalidValue(
        key: "added_tokens", found: "something else", expected: "an array")
    }
    return try elements.enumerated().map { index, value in
      let entry = ComponentReader(value: value, path: "added_tokens[\(index)]")
      return try SpecialTokenReader.addedToken(
        entry, identifier: try entry.count("id"), content: try entry.string("content"),
        limit: identifierLimit)
    }
  }

  private func checkByteLevelIsLast(_ steps: [PreTokenizer]) throws {
    for step in steps.dropLast() {
      if case .byteLevel = step {
        throw TokenizerError.invalidValue(
          key: "pre_tokenizer", found: "a step after ByteLevel", expected: "ByteLevel as the last step")
      }
    }
  }
}
