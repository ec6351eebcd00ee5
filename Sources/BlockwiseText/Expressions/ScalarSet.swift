/// The scalars that one place of a regular expression accepts.
struct ScalarSet: Sendable {
  /// How a set is made of others.
  indirect enum Node: Sendable {
    case ranges([ClosedRange<UInt32>])
    case categories(CategorySet)
    /// `\s`.
    case space
    /// `\w`.
    case word
    /// `\w` within a class, where the reference engine leaves the superscripts and fractions of Latin-1 out.
    case wordInClass
    case not(Node)
    case union([Node])
    case intersection([Node])
    /// Whether some spelling of the scalar in another case is in the set.
    case anyCase(Node)

    func contains(_ value: UInt32) -> Bool {
      switch self {
      case .ranges(let ranges): ranges.contains { $0.contains(value) }
      case .categories(let categories): !CategoryTable.shared[value].isDisjoint(with: categories)
      case .space: ScalarClassTable.shared[value].contains(.space)
      case .word: ScalarClassTable.shared[value].contains(.word)
      case .wordInClass:
        ScalarClassTable.shared[value].contains(.word)
          && !(value < 0x100 && CategoryTable.shared[value] == .otherNumber)
      case .not(let node): !node.contains(value)
      case .union(let nodes): nodes.contains { $0.contains(value) }
      case .intersection(let nodes): nodes.allSatisfy { $0.contains(value) }
      case .anyCase(let node): ScalarSet.caseVariants(value).contains { node.contains($0) }
      }
    }
  }

  private let node: Node
  /// The answers for ASCII.
  private var low: UInt64 = 0
  private var high: UInt64 = 0

  init(_ node: Node) {
    self.node = node
    for value in UInt32(0)..<64 where node.contains(value) { low |= 1 << UInt64(value) }
    for value in UInt32(64)..<128 where node.contains(value) { high |= 1 << UInt64(value - 64) }
  }

  @inline(__always)
  func contains(_ value: UInt32) -> Bool {
    if value < 64 { return low >> UInt64(value) & 1 != 0 }
    if value < 128 { return high >> UInt64(value - 64) & 1 != 0 }
    return node.contains(value)
  }

  /// The scalars that differ from this one in case alone.
  static func caseVariants(_ value: UInt32) -> [UInt32] {
    guard let scalar = Unicode.Scalar(value) else { return [value] }
    var variants = [value]
    func add(_ mapping: String) {
      let scalars = mapping.unicodeScalars
      guard scalars.count == 1, let other = scalars.first?.value, !variants.contains(other) else { return }
      variants.append(other)
    }
    add(scalar.properties.lowercaseMapping)
    add(scalar.properties.uppercaseMapping)
    add(scalar.properties.titlecaseMapping)
    // Three letters share their lower case with a scalar far away: the long s, the signs for kelvin and ångström.
    switch value {
    case 0x53, 0x73, 0x17F: add("s"); add("S"); add("\u{17F}")
    case 0x4B, 0x6B, 0x212A: add("k"); add("K"); add("\u{212A}")
    case 0xC5, 0xE5, 0x212B: add("å"); add("Å"); add("\u{212B}")
    default: break
    }
    return variants
  }

  /// Scripts whose blocks are few enough to be written down.
  static let scripts: [String: Node] = [
    "Han": .ranges([
      0x2E80...0x2E99, 0x2E9B...0x2EF3, 0x2F00...0x2FD5, 0x3005...0x3005, 0x3007...0x3007, 0x3021...0x3029,
      0x3038...0x303B, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFA6D, 0xFA70...0xFAD9, 0x16FE2...0x16FE3,
      0x16FF0...0x16FF1, 0x20000...0x2A6DF, 0x2A700...0x2B739, 0x2B740...0x2B81D, 0x2B820...0x2CEA1,
      0x2CEB0...0x2EBE0, 0x2EBF0...0x2EE5D, 0x2F800...0x2FA1D, 0x30000...0x3134A, 0x31350...0x323AF,
    ]),
    "Hiragana": .ranges([
      0x3041...0x3096, 0x309D...0x309F, 0x1B001...0x1B11F, 0x1B132...0x1B132, 0x1B150...0x1B152,
      0x1F200...0x1F200,
    ]),
    "Katakana": .ranges([
      0x30A1...0x30FA, 0x30FD...0x30FF, 0x31F0...0x31FF, 0x32D0...0x32FE, 0x3300...0x3357, 0xFF66...0xFF6F,
      0xFF71...0xFF9D, 0x1AFF0...0x1AFF3, 0x1AFF5...0x1AFFB, 0x1AFFD...0x1AFFE, 0x1B000...0x1B000,
      0x1B120...0x1B122,
      0x1B155...0x1B155, 0x1B164...0x1B167,
    ]),
    "Hangul": .ranges([
      0x1100...0x11FF, 0x302E...0x302F, 0x3131...0x318E, 0x3200...0x321E, 0x3260...0x327E, 0xA960...0xA97C,
      0xAC00...0xD7A3, 0xD7B0...0xD7C6, 0xD7CB...0xD7FB, 0xFFA0...0xFFBE, 0xFFC2...0xFFC7, 0xFFCA...0xFFCF,
      0xFFD2...0xFFD7, 0xFFDA...0xFFDC,
    ]),
  ]
}
