import ArgumentParser
import Blockwise

/// Token ids as text: `1,2,3`, also separated by white space, also as a JSON array or the JSON of `tokenize`.
enum TokenList {
  /// Reads ids from an option.
  static func parse(_ text: String) throws -> [TokenID] {
    if text.allSatisfy(\.isWhitespace) { throw ValidationError("there is no token id in it") }
    // White space may stand around a comma or in its place; two commas have a hole between them.
    let fields = text.split(separator: ",", omittingEmptySubsequences: false)
    return try fields.flatMap { field in
      let words = field.split(whereSeparator: \.isWhitespace)
      if words.isEmpty { throw ValidationError("an id is missing beside a comma; write ids as 1,2,3") }
      return try words.map { word in
        guard word.allSatisfy({ ("0"..."9").contains($0) }), let id = Int32(word) else {
          throw ValidationError("'\(word)' is not a token id; write ids as 1,2,3")
        }
        return TokenID(id)
      }
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
    let value: JSONValue
    do {
      value = try JSONValue(parsing: input)
    } catch {
      throw UsageError("standard input: \(error)")
    }
    guard let elements = value.arrayValue ?? value["tokens"]?.arrayValue else {
      throw UsageError("standard input: expected an array of token ids or an object with \"tokens\"")
    }
    return try elements.map { element in
      guard case .integer(let number) = element, number >= 0, let id = Int32(exactly: number) else {
        throw UsageError("standard input: \(element.summary) is not a token id")
      }
      return TokenID(id)
    }
  }
}
