internal import BlockwiseFiles

/// The last n tokens of a text as a number: a hash that grows from the newest token to the older ones, so that a context and
/// its shorter ends are found in one go.
struct NGramContext: Sendable, Hashable {
  /// The hash. Tables in files rest on it: it must not change.
  private(set) var hash: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// No token.
  init() {}

  /// A context that was counted.
  init(hash: UInt64) { self.hash = hash }

  /// Adds the token before those that are there.
  mutating func extend(by token: TokenID) {
    // A round of SplitMix64's mixer (Steele, Lea and Flood 2014).
    var mixed = (hash ^ UInt64(UInt32(bitPattern: token.rawValue))) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    hash = mixed ^ (mixed >> 31)
  }

  /// What a table keeps of it.
  var key: UInt32 { UInt32(hash >> 32) }
}
