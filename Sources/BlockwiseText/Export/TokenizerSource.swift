internal import BlockwiseFiles

/// The parts of a tokenizer.json that another container needs, as they are written there.
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
