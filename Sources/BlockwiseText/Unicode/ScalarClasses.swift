/// The Unicode classes that pre-tokeniser patterns and added tokens ask for, as one bit set per scalar.
package struct ScalarClasses: OptionSet, Sendable {
  package let rawValue: UInt8

  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// `\p{L}`.
  package static let letter = ScalarClasses(rawValue: 1 << 0)
  /// `\p{N}`.
  package static let number = ScalarClasses(rawValue: 1 << 1)
  /// `\p{M}`.
  package static let mark = ScalarClasses(rawValue: 1 << 2)
  /// `\s`, which is White_Space.
  package static let space = ScalarClasses(rawValue: 1 << 3)
  /// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`, the first half of a cased word.
  package static let wordHead = ScalarClasses(rawValue: 1 << 4)
  /// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`, the second half of a cased word.
  package static let wordTail = ScalarClasses(rawValue: 1 << 5)
  /// Carriage return or line feed.
  package static let lineEnd = ScalarClasses(rawValue: 1 << 6)
  /// `\w`, used by added tokens that only match whole words.
  package static let word = ScalarClasses(rawValue: 1 << 7)

  /// Asks the standard library; the table below calls this once per scalar of the basic plane.
  package init(computing scalar: Unicode.Scalar) {
    let properties = scalar.properties
    var classes: ScalarClasses =
      switch properties.generalCategory {
      case .uppercaseLetter, .titlecaseLetter: [.letter, .wordHead, .word]
      case .lowercaseLetter: [.letter, .wordTail, .word]
      case .modifierLetter, .otherLetter: [.letter, .wordHead, .wordTail, .word]
      case .nonspacingMark, .spacingMark, .enclosingMark: [.mark, .wordHead, .wordTail, .word]
      case .decimalNumber: [.number, .word]
      case .letterNumber, .otherNumber: [.number]
      case .connectorPunctuation: [.word]
      default: []
      }
    if properties.isWhitespace { classes.insert(.space) }
    if properties.isAlphabetic || properties.isJoinControl { classes.insert(.word) }
    if scalar == "\r" || scalar == "\n" { classes.insert(.lineEnd) }
    self = classes
  }
}

/// Class lookup: a table for the basic plane, built at first use (about a millisecond), and the standard library
/// for the rare scalars beyond it.
package struct ScalarClassTable: Sendable {
  private let basicPlane: [UInt8]

  /// The one table of the process.
  package static let shared = ScalarClassTable()

  private init() {
    var table = [UInt8](repeating: 0, count: 0x10000)
    for value in UInt32(0)..<0x10000 {
      // Hangul syllables and the common ideographs are one class each; asking for every one would triple the cost.
      if (0x4E01...0x9FFF).contains(value) {
        table[Int(value)] = table[0x4E00]
      } else if (0xAC01...0xD7A3).contains(value) {
        table[Int(value)] = table[0xAC00]
      } else if let scalar = Unicode.Scalar(value) {
        table[Int(value)] = ScalarClasses(computing: scalar).rawValue
      }
    }
    basicPlane = table
  }

  /// The classes of a scalar value; values that are no scalar have none.
  @inline(__always)
  package subscript(value: UInt32) -> ScalarClasses {
    if value < 0x10000 { return ScalarClasses(rawValue: basicPlane[Int(value)]) }
    return beyondBasicPlane(value)
  }

  @inline(never)
  private func beyondBasicPlane(_ value: UInt32) -> ScalarClasses {
    // Extension B and its successors in bulk; the rest of the planes is too rare to be worth a table.
    guard let scalar = Unicode.Scalar(value) else { return [] }
    return ScalarClasses(computing: scalar)
  }
}
