/// Finds stop strings in a stream of text, whatever the pieces it arrives in.
///
/// Text that may be the beginning of a stop string is held back until the next pieces decide. The match that is
/// complete first ends the text; among several that are complete at the same byte, the longest.
public struct StopStringMatcher: Sendable {
  private let patterns: [[UInt8]]
  private let strings: [String]
  /// Bytes that are not emitted yet: always the beginning of some stop string.
  private var held: [UInt8] = []
  /// The stop string that ended the text.
  public private(set) var match: String?

  /// Whether a stop string has ended the text.
  public var isMatched: Bool { match != nil }

  /// A matcher for some strings. Bytes are compared: no Unicode normalisation.
  /// - Throws: ``SamplingError/option(name:found:expected:)`` for an empty string.
  public init(_ strings: [String]) throws(SamplingError) {
    if strings.contains(where: \.isEmpty) {
      throw .option(name: "stop", found: "an empty string", expected: "strings of at least one character")
    }
    // Longest first, so that the first suffix that fits is the longest.
    self.strings = strings.sorted { $0.utf8.count > $1.utf8.count }
    patterns = self.strings.map { Array($0.utf8) }
  }

  /// Takes the next piece of text, which consists of whole characters.
  /// - Returns: the text that can be emitted now. Once ``match`` is set, everything is returned that stood before the
  ///   stop string, and further text is ignored.
  public mutating func append(_ text: String) -> String {
    guard match == nil else { return "" }
    if patterns.isEmpty { return text }
    var emitted: [UInt8] = []
    for byte in text.utf8 {
      held.append(byte)
      if let found = patterns.firstIndex(where: { held.hasSuffix($0) }) {
        match = strings[found]
        emitted += held.dropLast(patterns[found].count)
        held = []
        break
      }
      let keep = heldBackCount
      emitted += held.dropLast(keep)
      held.removeFirst(held.count - keep)
    }
    // Stop strings begin with the first byte of a character, so the border never divides one.
    return String(decoding: emitted, as: UTF8.self)
  }

  /// Ends the stream: what was held back turns out to be ordinary text.
  public mutating func finish() -> String {
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }

  /// The length of the longest end of `held` that is a beginning of a stop string.
  private var heldBackCount: Int {
    var length = held.count
    while length > 0 {
      let tail = held.suffix(length)
      if patterns.contains(where: { $0.starts(with: tail) }) { return length }
      length -= 1
    }
    return 0
  }
}

extension Array where Element == UInt8 {
  fileprivate func hasSuffix(_ other: [UInt8]) -> Bool {
    count >= other.count && suffix(other.count).elementsEqual(other)
  }
}
