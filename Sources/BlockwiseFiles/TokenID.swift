/// The index of a token in a model's vocabulary.
public struct TokenID: Hashable, Comparable, Sendable, ExpressibleByIntegerLiteral, Codable,
  CustomStringConvertible
{
  /// The index itself; never negative in a token that came from a tokenizer or a sampler.
  public var rawValue: Int32

  /// Wraps a vocabulary index.
  @inlinable public init(_ rawValue: Int32) { self.rawValue = rawValue }

  /// Wraps a vocabulary index that is known to fit 32 bits.
  @inlinable public init(_ index: Int) { self.rawValue = Int32(index) }

  /// Wraps a literal index.
  @inlinable public init(integerLiteral value: Int32) { self.rawValue = value }

  /// Reads the bare number.
  public init(from decoder: any Decoder) throws {
    rawValue = try decoder.singleValueContainer().decode(Int32.self)
  }

  /// Writes the bare number.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }

  /// Orders by index.
  @inlinable public static func < (lhs: TokenID, rhs: TokenID) -> Bool { lhs.rawValue < rhs.rawValue }

  /// The index as an `Int`, for subscripts.
  @inlinable public var index: Int { Int(rawValue) }

  /// The index in decimal.
  public var description: String { String(rawValue) }
}
