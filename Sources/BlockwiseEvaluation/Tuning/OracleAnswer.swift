package import Blockwise

/// An answer that is known: what is right at each position, its end included.
package struct OracleAnswer: Sendable {
  /// Position of the first token.
  package var start: Int
  /// The answer, with its end token where it has ended.
  package var tokens: [TokenID]
  /// Whether the last of them is an end token.
  package var isEnded: Bool
  /// What ends an answer.
  package var endTokens: Set<TokenID>

  package init(start: Int, tokens: [TokenID], isEnded: Bool, endTokens: Set<TokenID>) {
    self.start = start
    self.tokens = tokens
    self.isEnded = isEnded
    self.endTokens = endTokens
  }

  /// The token at a position; nil outside of the answer.
  package func token(at position: Int) -> TokenID? {
    tokens.indices.contains(position - start) ? tokens[position - start] : nil
  }

  /// Whether a prediction is right; nil where no answer says so: behind an end, where models repeat end tokens or write what is
  /// thrown away, only the former are right; behind a limit nothing is wrong.
  package func isRight(_ token: TokenID, at position: Int) -> Bool? {
    if let known = self.token(at: position) { return known == token }
    return isEnded && endTokens.contains(token) ? true : nil
  }
}
