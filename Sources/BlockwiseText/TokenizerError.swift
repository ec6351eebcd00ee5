public import BlockwiseFiles

/// Why a tokenizer could not be loaded or a text could not be tokenised.
public enum TokenizerError: Error, Sendable, Equatable {
  /// What went wrong with which file.
  indirect case inFile(String, TokenizerError)
  /// A file could not be read.
  case unreadable(reason: String)
  /// The JSON text is malformed.
  case json(JSONError)
  /// A key is missing.
  case missingKey(String)
  /// A key holds something else than it should.
  case invalidValue(key: String, found: String, expected: String)
  /// A component of a kind that this version does not implement, e.g. a `normalizer` of type `Precompiled`.
  case unsupported(component: String, kind: String, supported: [String])
  /// A regular expression with a construct that is not interpreted, or one that is malformed.
  case unsupportedExpression(String, reason: String)
  /// A `tokenizer.ggml.pre` that no scanner implements.
  case unknownPreTokenizer(String, supported: [String])
  /// A vocabulary index that is negative or so far beyond the number of entries that the file must be damaged.
  case identifierOutOfRange(token: String, identifier: Int64, limit: Int)
  /// Two entries share one index.
  case duplicateIdentifier(Int, first: String, second: String)
  /// The same text appears twice with different indices.
  case duplicateToken(String)
  /// A merge rule that is malformed or names a token that the vocabulary does not have.
  case badMerge(index: Int, reason: String)
  /// A special token that the vocabulary does not have.
  case unknownSpecialToken(String, key: String)
  /// The input is not UTF-8; `offset` is the first byte that is wrong.
  case invalidUTF8(offset: Int)
}

extension TokenizerError: CustomStringConvertible {
  /// The error in words.
  public var description: String {
    switch self {
    case .inFile(let path, let error): "\(path): \(error)"
    case .unreadable(let reason): reason
    case .json(let error): "the tokenizer's JSON is malformed: \(error)"
    case .missingKey(let key): "the tokenizer lacks the key '\(key)'"
    case .invalidValue(let key, let found, let expected):
      "tokenizer key '\(key)' is \(found); expected \(expected)"
    case .unsupported(let component, let kind, let supported):
      "tokenizer \(component) '\(kind)' is not supported; supported: \(supported.joined(separator: ", "))"
    case .unsupportedExpression(let expression, let reason):
      "the regular expression \(expression) is not supported: \(reason)"
    case .unknownPreTokenizer(let name, let supported):
      "tokenizer.ggml.pre '\(name)' is not supported; supported: \(supported.joined(separator: ", "))"
    case .identifierOutOfRange(let token, let identifier, let limit):
      "token '\(token)' has the index \(identifier), which is outside 0..<\(limit)"
    case .duplicateIdentifier(let identifier, let first, let second):
      "the tokens '\(first)' and '\(second)' share the index \(identifier)"
    case .duplicateToken(let token): "the token '\(token)' appears twice in the vocabulary"
    case .badMerge(let index, let reason): "merge rule \(index) \(reason)"
    case .unknownSpecialToken(let token, let key):
      "the special token '\(token)' named by '\(key)' is not in the vocabulary"
    case .invalidUTF8(let offset): "the text is not UTF-8: byte \(offset) is invalid"
    }
  }
}
