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
    let tokenizer = try Tokenizer.load(folder: folder)
    let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/vectors.json"))
    let vectors = try #require(try JSONValue(parsing: [UInt8](data)).arrayValue)
    #expect(!vectors.isEmpty)
    // SentencePiece does not look for its control tokens in text and writes none.
    let isSentencePiece = name.hasPrefix("spm-")
    for vector in vectors {
      let text = try vector.string("text")
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

  /// The folders there.
  static var names: [String] {
    guard let root else { return [] }
    return ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).sorted()
  }
}
