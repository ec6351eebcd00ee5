extension LanguageModel {
  /// The tokens of a text that is to be continued: with what the tokenizer puts in front of every text, but never with
  /// two start tokens where the text is written with one.
  ///
  /// - Parameter parseSpecialTokens: when false, special tokens in their written form are plain text.
  public func promptTokens(_ text: String, parseSpecialTokens: Bool = true) -> [TokenID] {
    withoutDoubleStart(tokenizer.encode(text, parseSpecialTokens: parseSpecialTokens))
  }

  /// The tokens of a text that comes as bytes; see ``promptTokens(_:parseSpecialTokens:)``.
  /// - Throws: ``TokenizerError/invalidUTF8(offset:)``.
  public func promptTokens(utf8 text: [UInt8], parseSpecialTokens: Bool = true) throws -> [TokenID] {
    withoutDoubleStart(try tokenizer.encode(utf8: text, parseSpecialTokens: parseSpecialTokens))
  }

  private func withoutDoubleStart(_ tokens: [TokenID]) -> [TokenID] {
    guard let start = tokenizer.bosToken, tokens.count > 1, tokens[0] == start, tokens[1] == start else {
      return tokens
    }
    return Array(tokens.dropFirst())
  }
}
