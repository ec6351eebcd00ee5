/// How much a template may do, so that a damaged or hostile one ends in an error and not in a hang.
public struct TemplateLimits: Sendable, Hashable {
  /// Evaluated expressions, elements visited, and stretches of 64 bytes of text made.
  public var stepCount: Int
  /// Longest text, of the result as of anything on the way to it, in bytes.
  public var textByteCount: Int

  /// Limits with defaults: ten million steps (thousands of messages), 64 MiB of text.
  public init(stepCount: Int = 10_000_000, textByteCount: Int = 64 << 20) {
    self.stepCount = stepCount
    self.textByteCount = textByteCount
  }

  /// Levels of nested evaluation: tags, brackets, calls of macros.
  static let depth = 400
  /// Levels of lists and dictionaries in a value; JSON has at most 256.
  static let valueDepth = 320
  /// Longest `range()`.
  static let rangeLength = 100_000
  /// Longest template, in bytes.
  static let sourceByteCount = 1 << 20
}
