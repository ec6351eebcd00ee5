public import BlockwiseFiles

/// What ends a text besides its length.
public struct StopCriteria: Sendable, Hashable {
  /// Tokens that end the text; they are not part of it.
  public var tokens: Set<TokenID>
  /// Strings that end the text; it is cut before them, also where they begin inside of a token.
  public var strings: [String]

  /// Criteria from tokens and strings, by default none.
  public init(tokens: Set<TokenID> = [], strings: [String] = []) {
    self.tokens = tokens
    self.strings = strings
  }

  /// Whether a token ends the text.
  public func isEnd(_ token: TokenID) -> Bool { tokens.contains(token) }

  /// A matcher for the strings.
  /// - Throws: ``SamplingError/option(name:found:expected:)`` for an empty string.
  public func makeStringMatcher() throws(SamplingError) -> StopStringMatcher {
    try StopStringMatcher(strings)
  }
}
