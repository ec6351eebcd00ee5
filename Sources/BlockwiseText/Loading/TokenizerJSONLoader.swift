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
    var parts: TokenizerParts
    if try kind(component) == "Unigram" {
      parts = try unigram(component)
    } else {
      try checkPairs(component)
      let vocabulary = try readVocabulary()
      parts = TokenizerParts(
        vocabulary: vocabulary, encoder: .merges(try encoder(vocabulary, component)))
    }
    parts.addedTokens = try readAddedTokens()
    if let normalizer = read("normalizer") { parts.normalizers = try normalizer.normalizers() }
    parts.preTokenizers = try preTokenizers()
    if case .unigram = parts.encoder, parts.preTokenizers.last?.isByteLevel == true {
      parts.preTokenizers.append(.spell)
    }
    if let decoder = read("decoder") {
      parts.decoder = try decoder.decoderSteps().checked()
    } else {
      parts.decoder = [.spaced]
    }
    let frame = try read("post_processor")?.frame() ?? TextFrame()
    parts.warnings += warnings
    try SpecialTokenReader(configuration: configuration, limit: identifierLimit).apply(frame, to: &parts)
    let unknown =
      switch parts.encoder {
      case .merges(let encoder): encoder.unknownToken
      case .unigram(let encoder): encoder.unknownToken
      case .scores: Int32(-1)
      }
    if parts.special.unknown == nil, unknown >= 0 { parts.special.unknown = TokenID(unknown) }
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

  private func kind(_ component: ComponentReader) throws -> String {
    if component.value["type"] == nil {
      // The oldest files do not name the model; only byte-pair encodings have merges.
      if mergesPlace != nil { return "BPE" }
      if component.value["unk_id"] != nil { return "Unigram" }
      throw TokenizerError.missingKey("model.type")
    }
    let kind = try component.kind
    guard ["BPE", "Unigram"].contains(kind) else {
      throw try component.unsupported("model", ["BPE", "Unigram"])
    }
    return kind
  }

  private func checkPairs(_ component: ComponentReader) throws {
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
    var encoder = MergeEncoder(
      merges: try readMerges(vocabulary), vocabulary: vocabulary,
      isByteLevel: try preTokenizers().last?.isByteLevel ?? false)
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

  // MARK: Unigram

  private func unigram(_ component: ComponentReader) throws -> TokenizerParts {
    let (vocabulary, scores) = try readScoredVocabulary()
    var unknown: Int32 = -1
    if let value = component.value["unk_id"], !value.isNull {
      let index = try component.count("unk_id")
      guard vocabulary.contains(index) else {
        throw component.invalid("unk_id", expected: "an index below \(vocabulary.count)")
      }
      unknown = Int32(truncatingIfNeeded: index)
    }
    var encoder = UnigramEncoder(
      vocabulary: vocabulary, scores: scores, unknownToken: unknown, reference: .tokenizers)
    encoder.fallsBackToBytes = try component.bool("byte_fallback", default: false)
    var parts = TokenizerParts(vocabulary: vocabulary, encoder: .unigram(encoder))
    if unknown < 0 {
      parts.warnings.append("the vocabulary has no unknown token: text that it cannot spell is left out")
    }
    return parts
  }

  /// A vocabulary as an array of pairs of text and score.
  private func readScoredVocabulary() throws -> (Vocabulary, [Double]) {
    guard var reader = vocabularyPlace else { throw TokenizerError.missingKey("model.vocab") }
    var vocabulary = Vocabulary(expectedCount: min(self.reader.text.count / 30, 1 << 19))
    var scores: [Double] = []
    try reader.beginArray()
    while try reader.nextElement() {
      try reader.beginArray()
      guard try reader.nextElement() else { throw reader.fault("a text and a score") }
      let text = try reader.readString()
      guard try reader.nextElement() else { throw reader.fault("a score behind the text") }
      let score = try readScore(&reader)
      guard try !reader.nextElement() else { throw reader.fault("two values, a text and its score") }
      guard score.isFinite else {
        throw TokenizerError.invalidValue(
          key: "model.vocab[\(scores.count)]", found: "\(score)", expected: "a finite score")
      }
      try reader.bytes(of: text).withUnsafeBufferPointer {
        try vocabulary.insert($0, identifier: Int64(scores.count), limit: identifierLimit)
      }
      scores.append(score)
    }
    return (vocabulary, scores)
  }

  /// A score with the rounding of the reference's JSON reader: all digits as one integer, then one division. The
  /// last bit matters where two ways to cut a text have the same sum.
  private func readScore(_ reader: inout JSONReader) throws -> Double {
    _ = try reader.peekKind()  // skips to the number
    let start = reader.offset
    let exact = try reader.readDouble()
    var digits: UInt64 = 0
    var decimals = 0
    var isFraction = false
    for byte in reader.text[start..<reader.offset] {
      switch byte {
      case UInt8(ascii: "-"): break
      case UInt8(ascii: "."): isFraction = true
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        let (shifted, overflows) = digits.multipliedReportingOverflow(by: 10)
        let (sum, carries) = shifted.addingReportingOverflow(UInt64(byte - 0x30))
        if overflows || carries { return exact }
        digits = sum
        if isFraction { decimals += 1 }
      default: return exact  // with an exponent
      }
    }
    guard decimals > 0, decimals < Self.powersOfTen.count else { return exact }
    let value = Double(digits) / Self.powersOfTen[decimals]
    return exact.sign == .minus ? -value : value
  }

  private static let powersOfTen: [Double] = (0...20).map { Double("1e\($0)") ?? 1 }

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

  /// The steps of the pre-tokeniser. What comes after ByteLevel sees the spelled bytes; as the last step ByteLevel
  /// leaves them to the encoder.
  private func preTokenizers() throws -> [PreTokenizer] {
    var steps = try read("pre_tokenizer")?.preTokenizers() ?? []
    for index in steps.indices.dropLast().reversed() where steps[index].isByteLevel {
      steps.insert(.spell, at: index + 1)
    }
    return steps
  }
}
