/// The mapping tables of one kind of normalisation, unpacked at first use (a few milliseconds).
struct NormalizationData: Sendable {
  static let canonical = NormalizationData(isCompatible: false)
  static let compatible = NormalizationData(isCompatible: true)

  /// Scalar → its full decomposition.
  let decompositions: [UInt32: [UInt32]]
  private let composites: [UInt64: UInt32]
  /// Bit set over the basic plane: scalars that no composing form changes or joins to their predecessor.
  private let notInert: [UInt64]

  private init(isCompatible: Bool) {
    var steps: [UInt32: [UInt32]] = [:]
    var composites: [UInt64: UInt32] = [:]
    var seconds: Set<UInt32> = []
    var changed: Set<UInt32> = []
    Self.read(CanonicalMappings.table) { scalar, parts, isExcluded in
      steps[scalar] = parts
      if !isExcluded, parts.count == 2 {
        composites[Self.key(parts[0], parts[1])] = scalar
        seconds.insert(parts[1])
      } else {
        changed.insert(scalar)
      }
    }
    if isCompatible {
      Self.read(CompatibilityMappings.table) { scalar, parts, _ in
        steps[scalar] = parts
        changed.insert(scalar)
      }
    }
    var full: [UInt32: [UInt32]] = [:]
    full.reserveCapacity(steps.count)
    for scalar in steps.keys { full[scalar] = Self.expand(scalar, steps) }
    // A composite does not survive the round trip when anything it is made of has no way back.
    func isChanged(_ scalar: UInt32) -> Bool {
      changed.contains(scalar) || (steps[scalar] ?? []).contains { isChanged($0) }
    }
    for scalar in steps.keys where isChanged(scalar) { changed.insert(scalar) }
    decompositions = full
    self.composites = composites

    var bits = [UInt64](repeating: 0, count: 0x10000 / 64)
    for value in changed.union(seconds) where value < 0x10000 {
      bits[Int(value >> 6)] |= 1 << UInt64(value & 63)
    }
    for value in UInt32(0x300)..<0x10000 {
      // No ideograph or syllable has a combining class; skipping them saves most of the time of this loop.
      if (0x3400...0x9FFF).contains(value) || (0xAC00...0xDFFF).contains(value) { continue }
      if Self.combiningClass(value) != 0 || Hangul.mayJoin(value) {
        bits[Int(value >> 6)] |= 1 << UInt64(value & 63)
      }
    }
    notInert = bits
  }

  /// Whether a text of only such scalars is certainly in normal form.
  func isInert(_ value: UInt32, composing: Bool) -> Bool {
    guard value < 0x10000 else {
      // The planes beyond hold few mappings; a decomposition or a class found there settles it.
      return decompositions[value] == nil && Self.combiningClass(value) == 0
        && !Self.joinsBeyondBasicPlane(value)
    }
    if notInert[Int(value >> 6)] >> UInt64(value & 63) & 1 != 0 { return false }
    if composing { return true }
    return decompositions[value] == nil && !(Hangul.firstSyllable...Hangul.lastSyllable).contains(value)
  }

  /// The primary composite of two adjacent scalars.
  func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
    composites[Self.key(first, second)] ?? Hangul.compose(first, second)
  }

  static func combiningClass(_ value: UInt32) -> UInt8 {
    guard value >= 0x300, let scalar = Unicode.Scalar(value) else { return 0 }
    return scalar.properties.canonicalCombiningClass.rawValue
  }

  /// Spacing vowel signs beyond the basic plane that compose although their combining class is zero.
  private static func joinsBeyondBasicPlane(_ value: UInt32) -> Bool {
    (0x11000...0x11FFF).contains(value)
  }

  private static func key(_ first: UInt32, _ second: UInt32) -> UInt64 {
    UInt64(first) << 32 | UInt64(second)
  }

  private static func expand(_ scalar: UInt32, _ steps: [UInt32: [UInt32]]) -> [UInt32] {
    guard let parts = steps[scalar] else { return [scalar] }
    return parts.flatMap { part -> [UInt32] in
      (Hangul.firstSyllable...Hangul.lastSyllable).contains(part)
        ? Hangul.decompose(part) : expand(part, steps)
    }
  }

  /// Reads `[!]scalar part…;` entries in hexadecimal; spaces and line ends between entries are skipped.
  private static func read(
    _ table: StaticString, _ body: (_ scalar: UInt32, _ parts: [UInt32], _ isExcluded: Bool) -> Void
  ) {
    table.withUTF8Buffer { bytes in
      var numbers: [UInt32] = []
      var number: UInt32?
      var isExcluded = false
      for byte in bytes {
        switch byte {
        case UInt8(ascii: "!"): isExcluded = true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): number = (number ?? 0) << 4 | UInt32(byte - 0x30)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): number = (number ?? 0) << 4 | UInt32(byte - 0x37)
        default:
          if let complete = number { numbers.append(complete) }
          number = nil
          if byte == UInt8(ascii: ";"), let scalar = numbers.first {
            body(scalar, Array(numbers.dropFirst()), isExcluded)
            numbers.removeAll(keepingCapacity: true)
            isExcluded = false
          }
        }
      }
    }
  }
}
