/// Why a model cannot be decoded as asked.
public enum DecodingError: Error, Sendable, Hashable, CustomStringConvertible {
  /// There is nothing to start from.
  case emptyPrompt
  /// The prompt leaves no room for a single new token.
  case promptTooLong(tokenCount: Int, contextLength: Int)
  /// A prompt token outside the model's vocabulary.
  case token(Int, position: Int, vocabularyCount: Int)
  /// The method does not fit the model.
  case method(String, family: String, reason: String)
  /// Somebody else changed the cache while it was being decoded into.
  case cacheChanged(expected: Int, found: Int)
  /// A pass over a block with open positions has decided none of them.
  case noProgress(position: Int)
  /// An option outside its range.
  case option(String, found: String, expected: String)

  /// What was refused and why.
  public var description: String {
    switch self {
    case .emptyPrompt: "the prompt is empty and the tokenizer adds no start token; give at least one token"
    case .promptTooLong(let count, let context):
      "the prompt has \(count) tokens and the context is \(context), which leaves no room to continue"
    case .token(let token, let position, let count):
      "token \(token) at position \(position) of the prompt is outside the vocabulary of \(count)"
    case .method(let method, let family, let reason):
      "decoding by \(method) is not possible with this \(family) model: \(reason)"
    case .cacheChanged(let expected, let found):
      "the cache holds \(found) tokens where decoding left \(expected); it must not be changed meanwhile"
    case .noProgress(let position):
      "no row of the pass spoke of an open position from \(position) on: a mistake of the decoder"
    case .option(let name, let found, let expected): "\(name) is \(found), expected \(expected)"
    }
  }
}
