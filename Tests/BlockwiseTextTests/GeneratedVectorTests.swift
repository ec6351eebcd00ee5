import BlockwiseFiles
import BlockwiseTestSupport
import BlockwiseText
import Foundation
import Testing

/// Thousands of texts against the reference libraries, made by `training/verification/tokenizer_vectors.py` where
/// `BLOCKWISE_TOKENIZER_VECTORS` points; without them the small fixtures speak for the rest.
@Suite(.enabled(if: GeneratedVectors.root != nil))
struct GeneratedVectorTests {
  @Test(arguments: GeneratedVectors.names)
  func `a generated tokenizer agrees with its library`(name: String) throws {
    let folder = (GeneratedVectors.root ?? "") + "/" + name
    let tokenizer = try GeneratedVectors.tokenizer(folder)
    let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/vectors.json"))
    let vectors = try #require(try JSONValue(parsing: [UInt8](data)).arrayValue)
    #expect(!vectors.isEmpty)
    // SentencePiece does not look for its control tokens in text and writes none.
    let isSentencePiece = name.hasPrefix("spm-")
    for vector in vectors {
      let text = try vector.string("text")
      if let pieces = vector["pieces"]?.arrayValue {
        let found = tokenizer.pieces(of: text).map { String(decoding: $0, as: UTF8.self) }
        let isEqual = found.elementsEqual(pieces) { same($0, $1.stringValue ?? "") }
        #expect(isEqual, "\(text.debugDescription): \(found) instead of \(pieces)")
        continue
      }
      let ids = try #require(vector["ids"]?.tokens)
      let encoded = tokenizer.encode(
        text, addSpecialTokens: false, parseSpecialTokens: !isSentencePiece)
      #expect(encoded == ids, "\(text.debugDescription)")
      guard let decoded = try vector.stringIfPresent("decoded") else { continue }
      // SentencePiece has a text of its own for what it could not spell.
      if isSentencePiece, let unknown = tokenizer.unknownToken, ids.contains(unknown) { continue }
      #expect(same(tokenizer.decode(ids, skipSpecialTokens: isSentencePiece), decoded), "\(ids)")
    }
  }
}

enum GeneratedVectors {
  static let root = ProcessInfo.processInfo.environment["BLOCKWISE_TOKENIZER_VECTORS"]

  /// The tokenizer of a folder, or one that cuts as `tokenizer.ggml.pre` says.
  static func tokenizer(_ folder: String) throws -> Tokenizer {
    guard FileManager.default.fileExists(atPath: folder + "/pre.json") else {
      return try Tokenizer.load(folder: folder)
    }
    let name = try JSONValue(
      parsing: [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/pre.json"))))
    return try GGUFTokenizerTests.load(GGUFTokenizerTests.byteLevel(pre: name.stringValue))
  }

  /// The folders there.
  static var names: [String] {
    guard let root else { return [] }
    return ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).sorted()
  }
}
