public import BlockwiseFiles

/// Turns tokens into text one at a time, for output that appears while a model decodes.
///
/// Every output is complete characters' worth of valid UTF-8, and the concatenation of all outputs and of
/// ``finish()`` is exactly what ``Tokenizer/decode(_:skipSpecialTokens:)`` gives for the same tokens. Text that a
/// later token could still change is held back: the beginning of a UTF-8 sequence.
///
/// One case is different: where the reference judges a run of `<0xNN>` tokens as a whole, characters come out as soon
/// as they are complete, and should a later byte of the same run turn out not to be UTF-8, only what has not come out
/// becomes U+FFFD, while decoding at once replaces the whole run. Text that encodes anything has no such runs.
public struct StreamingDetokenizer: Sendable {
  private let tokenizer: Tokenizer
  private let skipsSpecialTokens: Bool
  private let isEager: Bool
  private var decoder: TextDecoder

  init(tokenizer: Tokenizer, skipsSpecialTokens: Bool, isEager: Bool) {
    self.tokenizer = tokenizer
    self.skipsSpecialTokens = skipsSpecialTokens
    self.isEager = isEager
    decoder = tokenizer.makeTextDecoder(isEager: isEager)
  }

  /// Takes the next token.
  ///
  /// - Returns: the text that is certain now; may be empty. Indices outside the vocabulary give nothing, as in
  ///   the reference.
  public mutating func append(_ token: TokenID) -> String {
    var output: [UInt8] = []
    append(token, to: &output)
    return String(decoding: output, as: UTF8.self)
  }

  /// Ends the text and returns what was held back; an incomplete UTF-8 sequence becomes U+FFFD.
  public mutating func finish() -> String {
    var output: [UInt8] = []
    finish(to: &output)
    return String(decoding: output, as: UTF8.self)
  }

  mutating func append(_ token: TokenID, to output: inout [UInt8]) {
    if skipsSpecialTokens && tokenizer.isSpecial(token) { return }
    guard let text = tokenizer.text(of: token) else { return }
    decoder.append(text, to: &output)
  }

  mutating func finish(to output: inout [UInt8]) {
    decoder.finish(to: &output)
    decoder = tokenizer.makeTextDecoder(isEager: isEager)
  }
}
