/// A random stream without state: every number is a function of what it is drawn for.
///
/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) keyed with the seed; the
/// counter is (draw, purpose, position, choice). So a token's draw is the same whether it is decoded alone or in a
/// batch, on one thread or many, and whatever was drafted before: the coupling that exact speculation rests on.
public struct CounterRandom: Sendable, Hashable {
  /// What a number is drawn for, so that two decisions at one position are independent.
  public struct Purpose: RawRepresentable, Sendable, Hashable {
    /// The number in the counter.
    public var rawValue: UInt32

    /// A purpose by its number in the counter.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Choosing the token of a position.
    public static let token = Purpose(rawValue: 0)
    /// Accepting or rejecting a drafted token.
    public static let acceptance = Purpose(rawValue: 1)
    /// Proposing a draft.
    public static let draft = Purpose(rawValue: 2)
    /// Choosing which position is decided or undone next.
    public static let order = Purpose(rawValue: 3)
  }

  /// The key: equal seeds give equal streams.
  public var seed: UInt64
  /// Which of several answers to one prompt.
  public var choice: UInt32

  /// The stream of one answer.
  public init(seed: UInt64, choice: UInt32 = 0) {
    self.seed = seed
    self.choice = choice
  }

  /// A number in [0, 1) with 53 random bits.
  ///
  /// - Parameters:
  ///   - position: absolute position of the token; its low 32 bits count.
  ///   - purpose: which decision.
  ///   - draw: which number of this decision.
  public func uniform(position: Int, purpose: Purpose = .token, draw: UInt32 = 0) -> Double {
    let counter = SIMD4(draw, purpose.rawValue, UInt32(truncatingIfNeeded: position), choice)
    let words = Self.philox(
      counter: counter, key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
    let bits = (UInt64(words[1]) << 32 | UInt64(words[0])) >> 11
    return Double(bits) * 0x1p-53
  }

  /// The ten rounds of Philox4x32.
  package static func philox(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var counter = counter
    var key = key
    for _ in 0..<10 {
      let first = counter[0].multipliedFullWidth(by: 0xD251_1F53)
      let second = counter[2].multipliedFullWidth(by: 0xCD9E_8D57)
      counter = SIMD4(
        second.high ^ counter[1] ^ key[0], second.low,
        first.high ^ counter[3] ^ key[1], first.low)
      key &+= SIMD2(0x9E37_79B9, 0xBB67_AE85)
    }
    return counter
  }
}
