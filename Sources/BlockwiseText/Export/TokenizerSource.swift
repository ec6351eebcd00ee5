internal import BlockwiseFiles

/// The parts of a folder's tokenizer that another container needs: of tokenizer.json as they are written there, or of
/// a SentencePiece tokenizer.model.
struct TokenizerSource {
  struct Merge {
    var left: [UInt8]
    var right: [UInt8]
  }

  struct Added {
    var content: String
    var identifier: Int
    var isSpecial: Bool
    var strips: Bool
  }

  /// The text of every index of the vocabulary, without added tokens.
  private(set) var tokens: [Int: [UInt8]] = [:]
  private(set) var merges: [Merge] = []
  private(set) var added: [Added] = []
  private(set) var kind = "BPE"
  private(set) var fallsBackToBytes = false
  private(set) var ignoresMerges = false
  private(set) var normalizer: JSONValue = .null
  private(set) var preTokenizer: JSONValue = .null
  /// Score and type of every piece of a SentencePiece model.
  private(set) var pieces: [(score: Float, type: PieceType)]?
  /// What a SentencePiece model says about spaces, where no tokenizer.json does.
  private(set) var spaces: (addsPrefix: Bool, removesExtra: Bool)?

  /// Reads the bytes of a tokenizer.json.
  init(_ bytes: UnsafeRawBufferPointer) throws {
    do {
      var reader = JSONReader(bytes)
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch reader.string(key) {
        case "model": try readModel(&reader)
        case "added_tokens": try readAdded(&reader)
        case "normalizer": normalizer = try JSONValue(reading: &reader)
        case "pre_tokenizer": preTokenizer = try JSONValue(reading: &reader)
        default: try reader.skipValue()
        }
      }
      try reader.finish()
    } catch let error as JSONError {
      throw TokenizerError.json(error)
    }
  }

  /// Reads the bytes of a SentencePiece tokenizer.model.
  ///
  /// - Parameter tokenizer: the same tokenizer, loaded with the files around it, which add tokens.
  init(sentencePiece bytes: UnsafeRawBufferPointer, tokenizer: Tokenizer) throws {
    let model = try SentencePieceModel(bytes.bindMemory(to: UInt8.self))
    guard model.kind == .pairs else {
      throw TokenizerError.unsupported(
        component: "trainer_spec.model_type", kind: "\(model.kind)", supported: ["pairs (BPE)"])
    }
    guard model.characterMap.isEmpty, model.escapesSpaces, !model.spacesAreSuffixes else {
      throw TokenizerError.unsupported(
        component: "normalizer_spec", kind: "rules of its own", supported: ["identity"])
    }
    fallsBackToBytes = model.fallsBackToBytes
    for (index, piece) in model.pieces.enumerated() { tokens[index] = Array(piece.text) }
    pieces = model.pieces.map { ($0.score, $0.type) }
    spaces = (model.addsPrefix, model.removesExtraSpaces)
    added = tokenizer.parts.addedTokens.map {
      Added(
        content: $0.content, identifier: Int($0.identifier), isSpecial: $0.isSpecial,
        strips: $0.stripsLeft || $0.stripsRight)
    }
  }

  /// Takes over the scores of the SentencePiece model that this tokenizer.json was made from, which say more than its
  /// merges; a model with other pieces is left alone.
  mutating func adoptScores(sentencePiece bytes: UnsafeRawBufferPointer) {
    guard let model = try? SentencePieceModel(bytes.bindMemory(to: UInt8.self)), model.kind == .pairs,
      model.pieces.enumerated().allSatisfy({ index, piece in
        tokens[index].map { $0.elementsEqual(piece.text) } ?? added.contains { $0.identifier == index }
      })
    else { return }
    pieces = model.pieces.map { ($0.score, $0.type) }
  }

  private mutating func readModel(_ reader: inout JSONReader) throws {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch reader.string(key) {
      case "vocab":
        guard try reader.peekKind() == .object else {
          kind = "Unigram"
          try reader.skipValue()
          continue
        }
        try reader.beginObject()
        while let token = try reader.nextKey() { tokens[try reader.readInt()] = reader.bytes(of: token) }
      case "merges":
        try reader.beginArray()
        while try reader.nextElement() { merges.append(try readMerge(&reader)) }
      case "type": kind = reader.string(try reader.readString())
      case "byte_fallback": fallsBackToBytes = try JSONValue(reading: &reader).boolValue ?? false
      case "ignore_merges": ignoresMerges = try JSONValue(reading: &reader).boolValue ?? false
      default: try reader.skipValue()
      }
    }
  }

  private func readMerge(_ reader: inout JSONReader) throws -> Merge {
    if try reader.peekKind() == .array {
      try reader.beginArray()
      var sides: [[UInt8]] = []
      while try reader.nextElement() { sides.append(reader.bytes(of: try reader.readString())) }
      guard sides.count == 2 else { throw reader.fault("a merge rule of two sides") }
      return Merge(left: sides[0], right: sides[1])
    }
    let rule = reader.bytes(of: try reader.readString())
    guard let space = rule.firstIndex(of: 0x20) else { throw reader.fault("a merge rule with a space") }
    return Merge(left: Array(rule[..<space]), right: Array(rule[(space + 1)...]))
  }

  private mutating func readAdded(_ reader: inout JSONReader) throws {
    for entry in try JSONValue(reading: &reader).arrayValue ?? [] {
      guard let identifier = entry["id"]?.integerValue, identifier >= 0,
        let content = entry["content"]?.stringValue
      else {
        throw TokenizerError.invalidValue(
          key: "added_tokens", found: entry.summary, expected: "objects with id and content")
      }
      added.append(
        Added(
          content: content, identifier: identifier, isSpecial: entry["special"]?.boolValue ?? false,
          strips: entry["lstrip"]?.boolValue == true || entry["rstrip"]?.boolValue == true))
    }
  }

  /// The steps of a component with sequences flattened.
  static func steps(_ component: JSONValue) -> [JSONValue] {
    switch component {
    case .null: return []
    default:
      guard component["type"]?.stringValue == "Sequence" else { return [component] }
      let inner = component["pretokenizers"] ?? component["normalizers"] ?? component["decoders"]
      return (inner?.arrayValue ?? []).flatMap(steps)
    }
  }
}
