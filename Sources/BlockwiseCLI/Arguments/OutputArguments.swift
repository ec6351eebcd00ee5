import ArgumentParser
import Blockwise

/// How results are printed.
struct OutputArguments: ParsableArguments {
  @Flag(name: .long, help: "Print JSON on standard output.")
  var json = false
}

extension StandardStream {
  /// Writes a JSON value and a line end.
  func write(json: JSONValue) throws { try write(json.bytes() + [UInt8(ascii: "\n")]) }
}

extension JSONValue {
  /// Token ids as an array of numbers.
  static func tokens(_ tokens: some Sequence<TokenID>) -> JSONValue {
    .array(tokens.map { .integer(Int64($0.rawValue)) })
  }
}
