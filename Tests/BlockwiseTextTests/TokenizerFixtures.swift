import BlockwiseFiles
import BlockwiseTestSupport
import BlockwiseText
import Foundation

/// The tokenizers and vectors of the shared parity data.
enum TokenizerFixtures {
  static var root: String? { SharedData.root }

  static func bytes(_ path: String) throws -> [UInt8] {
    let file = URL(fileURLWithPath: (root ?? "") + "/" + path)
    return [UInt8](try Data(contentsOf: file))
  }

  static func json(_ path: String) throws -> JSONValue { try JSONValue(parsing: try bytes(path)) }

  /// A file of this repository's own fixtures, which are always there.
  static func own(_ path: String) throws -> JSONValue {
    let file = URL(fileURLWithPath: SharedData.packageFolder + "/Tests/Fixtures/" + path)
    return try JSONValue(parsing: [UInt8](try Data(contentsOf: file)))
  }

  static func folder(_ path: String) throws -> Tokenizer {
    try Tokenizer.load(folder: (root ?? "") + "/" + path)
  }

  /// Qwen's tokenizer.json: the skeleton with vocabulary and merges filled in, as published.
  static func qwenJSON() throws -> [UInt8] {
    var merges: [JSONValue] = []
    let lines = String(decoding: try bytes("parity/tokenizers/qwen/merges.txt"), as: UTF8.self)
    for line in lines.split(separator: "\n") where !line.hasPrefix("#version") {
      merges.append(.string(String(line)))
    }
    guard case .object(var tokenizer) = try json("parity/tokenizers/qwen/tokenizer.skeleton.json"),
      case .object(var model) = tokenizer["model"] ?? .null
    else { return [] }
    model["vocab"] = try json("parity/tokenizers/qwen/vocab.json")
    model["merges"] = .array(merges)
    tokenizer["model"] = .object(model)
    return Array(JSONValue.object(tokenizer).text().utf8)
  }

  static let qwen = Result {
    try Tokenizer.load(
      tokenizerJSON: try qwenJSON(), configuration: try json("parity/tokenizers/qwen/tokenizer_config.json"))
  }

  static func tokenizer(_ name: String) throws -> Tokenizer {
    if name == "qwen" { return try qwen.get() }
    return try folder("parity/tokenizers/\(name)")
  }

  /// The vectors of a file, as far as it has them.
  static func vectors(_ path: String, under key: String = "vectors") throws -> [JSONValue] {
    try json(path)[key]?.arrayValue ?? []
  }
}

extension JSONValue {
  /// An array of token indices.
  var tokens: [TokenID]? { arrayValue.map { $0.compactMap { $0.integerValue.map { TokenID($0) } } } }
}
