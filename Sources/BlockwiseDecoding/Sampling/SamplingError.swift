public import BlockwiseFiles

/// Why no token could be chosen.
public enum SamplingError: Error, Sendable, Hashable, CustomStringConvertible {
  /// A field of the options is out of its range.
  case option(name: String, found: String, expected: String)
  /// Every token of the vocabulary is excluded: by the constraint, by biases of −∞, or by logits of −∞.
  case nothingAllowed(position: Int)
  /// The model gave NaN or +∞ for a token, which no sound forward pass does.
  case nonFiniteLogits(position: Int, token: TokenID, found: String)

  /// A sentence with what was found and what was expected.
  public var description: String {
    switch self {
    case .option(let name, let found, let expected):
      "\(name) is \(found), expected \(expected)"
    case .nothingAllowed(let position):
      "no token is allowed at position \(position)"
    case .nonFiniteLogits(let position, let token, let found):
      "the logit of token \(token) at position \(position) is \(found), expected a finite number or −∞"
    }
  }
}
