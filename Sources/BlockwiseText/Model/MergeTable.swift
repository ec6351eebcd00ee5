/// The merge rules of a byte-pair encoding: (left, right) → (rank, merged token) in one flat hash table.
struct MergeTable: Sendable {
  /// What a pair of adjacent tokens becomes.
  struct Merge {
    /// Rules with a lower rank come first.
    var rank: UInt32
    /// The merged token.
    var token: Int32
  }

  private struct Slot {
    var key: UInt64
    var merge: Merge
  }

  /// No pair of token indices has this key, because indices are below 2³¹.
  private static let free = UInt64.max

  private var slots: [Slot]
  private var mask: Int
  private(set) var count = 0

  init(expectedCount: Int) {
    var capacity = 64
    while capacity * 2 < expectedCount * 3 { capacity *= 2 }
    slots = [Slot](
      repeating: Slot(key: Self.free, merge: Merge(rank: 0, token: -1)), count: capacity)
    mask = capacity - 1
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always)
  private static func hash(_ key: UInt64) -> Int {
    var state = key &* 0x9E37_79B9_7F4A_7C15
    state ^= state >> 32
    return Int(truncatingIfNeeded: (state &* 0xFF51_AFD7_ED55_8CCD) >> 24)
  }

  /// The rule for a pair, or nil.
  @inline(__always)
  func find(_ left: Int32, _ right: Int32) -> Merge? {
    // Negative indices are symbols that are not in the vocabulary: they merge with nothing.
    guard left >= 0, right >= 0 else { return nil }
    let key = Self.key(left, right)
    var slot = Self.hash(key) & mask
    while true {
      let found = slots[slot].key
      if found == key { return slots[slot].merge }
      if found == Self.free { return nil }
      slot = (slot + 1) & mask
    }
  }

  /// Adds a rule; a pair given twice keeps the later rule, as the reference does.
  mutating func insert(_ left: Int32, _ right: Int32, rank: UInt32, token: Int32) {
    if (count + 1) * 4 > slots.count * 3 { grow() }
    let key = Self.key(left, right)
    let slot = position(of: key)
    if slots[slot].key == Self.free { count += 1 }
    slots[slot] = Slot(key: key, merge: Merge(rank: rank, token: token))
  }

  private func position(of key: UInt64) -> Int {
    var slot = Self.hash(key) & mask
    while slots[slot].key != Self.free, slots[slot].key != key { slot = (slot + 1) & mask }
    return slot
  }

  private mutating func grow() {
    let old = slots
    slots = [Slot](
      repeating: Slot(key: Self.free, merge: Merge(rank: 0, token: -1)), count: old.count * 2)
    mask = slots.count - 1
    for entry in old where entry.key != Self.free { slots[position(of: entry.key)] = entry }
  }
}
