internal import BlockwiseFiles

/// Token texts and their indices: one byte arena, one offset table and one flat hash table.
///
/// A vocabulary has 50 to 260 thousand entries; a dictionary of strings would spend most of the loading time on
/// allocations and hashing.
struct Vocabulary: Sendable {
  /// All texts, one after the other.
  private var arena: [UInt8] = []
  /// Index → (start, length) in the arena; length −1 marks an index without a token.
  private var spans: [Span] = []
  /// Open addressing, linear probing; −1 is free.
  private var slots: [Int32]
  private var mask: Int
  /// The number of entries.
  private(set) var count = 0
  /// Bytes of the longest entry.
  private(set) var longestLength = 0

  private struct Span {
    var start: UInt32
    var length: Int32
  }

  /// Room for about `expectedCount` entries; the table grows when there are more.
  init(expectedCount: Int, expectedByteCount: Int = 0) {
    let capacity = Self.capacity(for: expectedCount)
    slots = [Int32](repeating: -1, count: capacity)
    mask = capacity - 1
    arena.reserveCapacity(expectedByteCount)
    spans.reserveCapacity(expectedCount)
  }

  private static func capacity(for count: Int) -> Int {
    var capacity = 64
    while capacity < count * 2 { capacity *= 2 }
    return capacity
  }

  /// Highest index + 1.
  var identifierLimit: Int { spans.count }

  /// The index of a text, or −1.
  @inline(__always)
  func find(_ text: UnsafeBufferPointer<UInt8>) -> Int32 {
    var slot = Self.hash(text) & mask
    while true {
      let identifier = slots[slot]
      if identifier < 0 { return -1 }
      if equals(identifier, text) { return identifier }
      slot = (slot + 1) & mask
    }
  }

  func find(_ text: some Collection<UInt8>) -> Int32 {
    let found = text.withContiguousStorageIfAvailable { find($0) }
    return found ?? Array(text).withUnsafeBufferPointer { find($0) }
  }

  func find(_ text: String) -> Int32 {
    var text = text
    return text.withUTF8 { find($0) }
  }

  @inline(__always)
  private func equals(_ identifier: Int32, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
    let span = spans[Int(identifier)]
    guard Int(span.length) == text.count else { return false }
    return arena.withUnsafeBufferPointer { arena in
      let start = Int(span.start)
      for offset in 0..<text.count where arena[start + offset] != text[offset] { return false }
      return true
    }
  }

  /// The text of an index; empty for an index without a token.
  func text(_ identifier: Int) -> ArraySlice<UInt8> {
    guard contains(identifier) else { return [] }
    let span = spans[identifier]
    return arena[Int(span.start)..<Int(span.start) + Int(span.length)]
  }

  func string(_ identifier: Int) -> String { String(decoding: text(identifier), as: UTF8.self) }

  /// Whether the index has a token.
  func contains(_ identifier: Int) -> Bool {
    spans.indices.contains(identifier) && spans[identifier].length >= 0
  }

  /// Adds an entry.
  ///
  /// - Parameter limit: indices at or above it are refused before anything is allocated for them.
  /// - Throws: a ``TokenizerError`` for an index out of range, used twice, or a text given twice.
  mutating func insert(
    _ text: UnsafeBufferPointer<UInt8>, identifier: Int64, limit: Int
  ) throws {
    guard identifier >= 0, identifier < limit, limit <= Int(Int32.max) else {
      throw TokenizerError.identifierOutOfRange(
        token: String(decoding: text, as: UTF8.self), identifier: identifier, limit: limit)
    }
    let index = Int(identifier)
    guard arena.count <= Int(UInt32.max) - text.count, text.count <= Int(Int32.max) else {
      throw TokenizerError.invalidValue(
        key: "vocab", found: "more than 4 GiB of text", expected: "a vocabulary")
    }
    if contains(index) {
      throw TokenizerError.duplicateIdentifier(
        index, first: string(index), second: String(decoding: text, as: UTF8.self))
    }
    if (count + 1) * 3 > slots.count * 2 { grow() }
    var slot = Self.hash(text) & mask
    while slots[slot] >= 0 {
      if equals(slots[slot], text) {
        throw TokenizerError.duplicateToken(String(decoding: text, as: UTF8.self))
      }
      slot = (slot + 1) & mask
    }
    slots[slot] = Int32(index)
    while spans.count <= index { spans.append(Span(start: 0, length: -1)) }
    spans[index] = Span(start: UInt32(arena.count), length: Int32(text.count))
    arena.append(contentsOf: text)
    count += 1
    longestLength = max(longestLength, text.count)
  }

  private mutating func grow() {
    slots = [Int32](repeating: -1, count: slots.count * 2)
    mask = slots.count - 1
    for (identifier, span) in spans.enumerated() where span.length >= 0 {
      let text = arena[Int(span.start)..<Int(span.start) + Int(span.length)]
      var slot = text.withUnsafeBufferPointer { Self.hash($0) } & mask
      while slots[slot] >= 0 { slot = (slot + 1) & mask }
      slots[slot] = Int32(identifier)
    }
  }

  /// Eight bytes per multiplication; the texts are short, so the mixing at the end matters most.
  @inline(__always)
  static func hash(_ text: UnsafeBufferPointer<UInt8>) -> Int {
    let bytes = UnsafeRawBufferPointer(text)
    var state = UInt64(truncatingIfNeeded: bytes.count) &* 0x9E37_79B9_7F4A_7C15
    var index = 0
    while index + 8 <= bytes.count {
      let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      state = (state ^ word) &* 0xFF51_AFD7_ED55_8CCD
      state ^= state >> 32
      index += 8
    }
    var tail: UInt64 = 0
    while index < bytes.count {
      tail = tail << 8 | UInt64(bytes[index])
      index += 1
    }
    state = (state ^ tail) &* 0xC4CE_B9FE_1A85_EC53
    state ^= state >> 29
    state = state &* 0xFF51_AFD7_ED55_8CCD
    return Int(truncatingIfNeeded: state >> 20)
  }
}
