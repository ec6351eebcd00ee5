import ArgumentParser
import Blockwise

/// Token ids as text: `1,2,3`, also separated by white space, also as a JSON array or the JSON of `tokenize`.
enum TokenList {
  /// Reads ids from an option.
  static func parse(_ text: String) throws -> [TokenID] {
    let words = text.split(whereSeparator: { $0 == "," || $0.isWhitespace })
    if words.isEmpty { throw ValidationError("there is no token id in it") }
    return try words.map { word in
      guard let id = Int32(word), id >= 0 else {
        throw ValidationError("'\(word)' is not a token id; write ids as 1,2,3")
      }
      return TokenID(id)
    }
  }

  /// Reads ids from standard input.
  static func parse(input: [UInt8]) throws -> [TokenID] {
    let text = try TextInput.text(input, from: "standard input")
    let trimmed = text.drop(while: \.isWhitespace)
    if trimmed.isEmpty { return [] }
    guard trimmed.first == "[" || trimmed.first == "{" else {
      do {
        return try parse(text)
      } catch let error as ValidationError {
        throw UsageError("standard input: \(error.message)")
      }
    }
    let value = try JSONValue(parsing: input)
    guard let elements = value.arrayValue ?? value["tokens"]?.arrayValue else {
      throw UsageError("standard input: expected an array of token ids or an object with \"tokens\"")
    }
    return try elements.map { element in
      guard let id = element.integerValue, id >= 0, let id = Int32(exactly: id) else {
        throw UsageError("standard input: \(element.summary) is not a token id")
      }
      return TokenID(id)
    }
  }
}
