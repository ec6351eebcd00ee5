public import BlockwiseFiles

/// Turns text into tokens and back, exactly as the tokenizer that a checkpoint was trained with.
///
/// A tokenizer is immutable and may be used from any number of tasks at once.
///
/// ```
/// let tokenizer = try Tokenizer.load(folder: "path/to/model")
/// let tokens = tokenizer.encode("Hello, world!")
/// var detokenizer = tokenizer.makeDetokenizer()
/// for token in tokens { print(detokenizer.append(token), terminator: "") }
/// print(detokenizer.finish())
/// ```
public final class Tokenizer: Sendable {
  let parts: TokenizerParts
  private let rawMatcher: AddedTokenMatcher
  private let normalizedMatcher: AddedTokenMatcher
  private let addedTokens: [Int32: AddedToken]
  private let addedByContent: [[UInt8]: Int32]

  /// The highest token index + 1. A model may have more rows than that, as padding.
  public let vocabularyCount: Int

  /// Things in the tokenizer's files that were odd but could be honoured, in words.
  public var warnings: [String] { parts.warnings }

  /// Checks what the loaders cannot see locally and prepares the search for added tokens.
  init(_ parts: TokenizerParts) throws {
    var raw = AddedTokenMatcher()
    var normalized = AddedTokenMatcher()
    var addedTokens: [Int32: AddedToken] = [:]
    var addedByContent: [[UInt8]: Int32] = [:]
    var contents: [Int32: [UInt8]] = [:]
    var limit = parts.vocabulary.identifierLimit
    var parts = parts
    for index in parts.addedTokens.indices {
      let inVocabulary = parts.vocabulary.find(parts.addedTokens[index].content)
      if inVocabulary >= 0, inVocabulary != parts.addedTokens[index].identifier {
        // As in the reference, the vocabulary decides.
        parts.warnings.append(
          "'\(parts.addedTokens[index].content)' is token \(inVocabulary) in the vocabulary and "
            + "\(parts.addedTokens[index].identifier) among the added tokens; the vocabulary decides")
        parts.addedTokens[index].identifier = inVocabulary
      }
      let token = parts.addedTokens[index]
      if inVocabulary < 0, parts.vocabulary.contains(Int(token.identifier)) {
        throw TokenizerError.duplicateIdentifier(
          Int(token.identifier), first: parts.vocabulary.string(Int(token.identifier)), second: token.content)
      }
      let content = Array(token.content.utf8)
      if let other = contents[token.identifier] {
        guard other == content else {
          throw TokenizerError.duplicateIdentifier(
            Int(token.identifier), first: String(decoding: other, as: UTF8.self), second: token.content)
        }
        continue
      }
      contents[token.identifier] = content
      if addedByContent[content] == nil { addedByContent[content] = token.identifier }
      addedTokens[token.identifier] = token
      limit = max(limit, Int(token.identifier) + 1)
      if token.isNormalized {
        let spelling = Self.normalize(content, parts.normalizers)
        normalized.insert(token, spelling: spelling)
        // The reference also decodes such a token to its normalised spelling.
        addedTokens[token.identifier]?.content = String(decoding: spelling, as: UTF8.self)
      } else {
        raw.insert(token, spelling: content)
      }
    }
    self.parts = parts
    rawMatcher = raw
    normalizedMatcher = normalized
    self.addedTokens = addedTokens
    self.addedByContent = addedByContent
    vocabularyCount = limit
  }

  // MARK: Special tokens

  /// The token that begins a text, if the tokenizer names one.
  public var bosToken: TokenID? { parts.special.bos }
  /// The token that ends a text or a turn, if the tokenizer names one; a model may have more than this one.
  public var eosToken: TokenID? { parts.special.eos }
  /// The token that stands for a position still to be filled, for models that denoise.
  public var maskToken: TokenID? { parts.special.mask }
  /// The token that fills up batches.
  public var padToken: TokenID? { parts.special.pad }
  /// The token for text that the vocabulary cannot spell.
  public var unknownToken: TokenID? { parts.special.unknown }

  /// Whether the token controls the model instead of being text.
  public func isSpecial(_ token: TokenID) -> Bool { addedTokens[token.rawValue]?.isSpecial ?? false }

  // MARK: Encoding

  /// The tokens of a text.
  ///
  /// - Parameters:
  ///   - text: any text; may contain special tokens in their written form.
  ///   - addSpecialTokens: adds what the tokenizer puts around a text, such as the beginning-of-text token.
  ///   - parseSpecialTokens: when false, the written form of a special token in the text is plain text, which is
  ///     what text from untrusted sources needs.
  public func encode(
    _ text: String, addSpecialTokens: Bool = true, parseSpecialTokens: Bool = true
  ) -> [TokenID] {
    var text = text
    return text.withUTF8 {
      encode(validUTF8: $0, addSpecialTokens: addSpecialTokens, parseSpecialTokens: parseSpecialTokens)
    }
  }

  /// The tokens of a text that comes as bytes.
  ///
  /// - Throws: ``TokenizerError/invalidUTF8(offset:)``.
  public func encode(
    utf8 text: UnsafeBufferPointer<UInt8>, addSpecialTokens: Bool = true, parseSpecialTokens: Bool = true
  ) throws(TokenizerError) -> [TokenID] {
    if let offset = UTF8Text.firstInvalidOffset(text) { throw .invalidUTF8(offset: offset) }
    return encode(
      validUTF8: text, addSpecialTokens: addSpecialTokens, parseSpecialTokens: parseSpecialTokens)
  }

  /// The tokens of a text that comes as bytes.
  ///
  /// - Throws: ``TokenizerError/invalidUTF8(offset:)``.
  public func encode(
    utf8 text: [UInt8], addSpecialTokens: Bool = true, parseSpecialTokens: Bool = true
  ) throws(TokenizerError) -> [TokenID] {
    let result = text.withUnsafeBufferPointer { text in
      Result { () throws(TokenizerError) in
        try encode(utf8: text, addSpecialTokens: addSpecialTokens, parseSpecialTokens: parseSpecialTokens)
      }
    }
    return try result.get()
  }

  private func encode(
    validUTF8 text: UnsafeBufferPointer<UInt8>, addSpecialTokens: Bool, parseSpecialTokens: Bool
  ) -> [TokenID] {
    var output: [Int32] = []
    output.reserveCapacity(text.count / 3 + 8)
    var scratch = EncodingScratch()
    if addSpecialTokens { output.append(contentsOf: parts.prefix) }
    forEachPart(of: text, includingSpecial: parseSpecialTokens) { part in
      switch part {
      case .token(let token): output.append(token)
      case .word(let word): encode(word, &scratch, &output)
      }
    }
    if addSpecialTokens { output.append(contentsOf: parts.suffix) }
    return output.map { TokenID($0) }
  }

  /// A text normalised and cut, as the model gets it; added tokens that are not special are left out.
  package func pieces(of text: String) -> [[UInt8]] {
    var text = text
    var pieces: [[UInt8]] = []
    text.withUTF8 {
      forEachPart(of: $0, includingSpecial: false) { part in
        if case .word(let word) = part { pieces.append(Array(word)) }
      }
    }
    return pieces
  }

  /// What stands between normalisation and the model.
  private enum Part {
    case token(Int32)
    case word(UnsafeBufferPointer<UInt8>)
  }

  private func forEachPart(
    of text: UnsafeBufferPointer<UInt8>, includingSpecial parseSpecialTokens: Bool, _ body: (Part) -> Void
  ) {
    for part in rawMatcher.split(text, includingSpecial: parseSpecialTokens) {
      if let token = part.token {
        body(.token(token))
        continue
      }
      let fragment = UnsafeBufferPointer(rebasing: text[part.range])
      Self.withNormalized(fragment, parts.normalizers[...], isAtStart: part.range.lowerBound == 0) {
        normalized in
        for inner in normalizedMatcher.split(normalized, includingSpecial: parseSpecialTokens) {
          if let token = inner.token {
            body(.token(token))
            continue
          }
          let stretch = UnsafeBufferPointer(rebasing: normalized[inner.range])
          let isAtStart = part.range.lowerBound == 0 && inner.range.lowerBound == 0
          PreTokenizer.run(parts.preTokenizers[...], stretch, [0..<stretch.count], isAtStart: isAtStart) {
            text, pieces in
            for piece in pieces { body(.word(UnsafeBufferPointer(rebasing: text[piece]))) }
          }
        }
      }
    }
  }

  private func encode(
    _ word: UnsafeBufferPointer<UInt8>, _ scratch: inout EncodingScratch, _ output: inout [Int32]
  ) {
    switch parts.encoder {
    case .merges(let encoder):
      encoder.encode(word, vocabulary: parts.vocabulary, scratch: &scratch, into: &output)
    case .scores(let encoder):
      encoder.encode(word, vocabulary: parts.vocabulary, scratch: &scratch, into: &output)
    case .unigram(let encoder):
      encoder.encode(word, vocabulary: parts.vocabulary, scratch: &scratch, into: &output)
    }
  }

  /// Hands over the normalised text; copies only when a step changes something.
  private static func withNormalized(
    _ text: UnsafeBufferPointer<UInt8>, _ steps: ArraySlice<TextNormalizer>, isAtStart: Bool,
    _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    guard let step = steps.first else { return body(text) }
    if let changed = step.apply(text, isAtStart: isAtStart) {
      changed.withUnsafeBufferPointer { withNormalized($0, steps.dropFirst(), isAtStart: isAtStart, body) }
    } else {
      withNormalized(text, steps.dropFirst(), isAtStart: isAtStart, body)
    }
  }

  private static func normalize(_ text: [UInt8], _ steps: [TextNormalizer]) -> [UInt8] {
    var result: [UInt8] = []
    text.withUnsafeBufferPointer { withNormalized($0, steps[...], isAtStart: true) { result = Array($0) } }
    return result
  }

  // MARK: Decoding

  /// The text of tokens. Bytes that are not UTF-8 become U+FFFD; indices outside the vocabulary give nothing.
  ///
  /// - Parameter skipSpecialTokens: leaves special tokens out instead of writing them in their textual form.
  public func decode(_ tokens: [TokenID], skipSpecialTokens: Bool = false) -> String {
    var detokenizer = StreamingDetokenizer(
      tokenizer: self, skipsSpecialTokens: skipSpecialTokens, isEager: false)
    var output: [UInt8] = []
    for token in tokens { detokenizer.append(token, to: &output) }
    detokenizer.finish(to: &output)
    return String(decoding: output, as: UTF8.self)
  }

  /// A detokenizer for a text that arrives token by token.
  public func makeDetokenizer(skipSpecialTokens: Bool = true) -> StreamingDetokenizer {
    StreamingDetokenizer(tokenizer: self, skipsSpecialTokens: skipSpecialTokens, isEager: true)
  }

  func makeTextDecoder(isEager: Bool) -> TextDecoder { TextDecoder(steps: parts.decoder, isEager: isEager) }

  // MARK: The vocabulary

  /// The token with exactly this text in the vocabulary's own spelling (byte-level vocabularies write a leading
  /// space as `Ġ`, SentencePiece ones as `▁`), or nil.
  public func token(_ text: String) -> TokenID? {
    if let added = addedByContent[Array(text.utf8)] { return TokenID(added) }
    let found = parts.vocabulary.find(text)
    return found >= 0 ? TokenID(found) : nil
  }

  /// The token's text in the vocabulary's own spelling, or nil for an index without a token.
  public func spelling(of token: TokenID) -> String? {
    text(of: token).map { String(decoding: $0, as: UTF8.self) }
  }

  func text(of token: TokenID) -> ArraySlice<UInt8>? {
    if let added = addedTokens[token.rawValue] { return ArraySlice(added.content.utf8) }
    let index = Int(token.rawValue)
    return parts.vocabulary.contains(index) ? parts.vocabulary.text(index) : nil
  }

  /// The bytes that a token contributes in the middle of a text: part of a character for tokens of byte-level and
  /// byte-fallback vocabularies, the written form for special tokens, nothing for an index without a token.
  public func bytes(of token: TokenID) -> [UInt8] {
    guard let text = text(of: token) else { return [] }
    var bytes = Array(text)
    for step in parts.decoder {
      switch step {
      case .byteLevel:
        var spelled: [UInt8] = []
        bytes.withUnsafeBufferPointer { ByteAlphabet.appendBytes(of: $0, to: &spelled) }
        bytes = spelled
      case .plainBytes, .byteFallback:
        if let byte = DecoderStep.byte(named: bytes) { return [byte] }
      case .replace(let pattern, let content):
        let replaced = bytes.withUnsafeBufferPointer {
          TextNormalizer.replacing(pattern, in: $0, with: content)
        }
        bytes = replaced ?? bytes
      case .metaspace(let replacement, _):
        let replaced = bytes.withUnsafeBufferPointer {
          TextNormalizer.replacing(replacement, in: $0, with: [0x20])
        }
        bytes = replaced ?? bytes
      case .fuse, .strip, .spaced: break
      }
    }
    return bytes
  }
}
