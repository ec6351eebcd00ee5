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
  ///
  /// The answer is that of Unicode 16, which the reference engines use, whatever version the standard library has:
  /// tokens must not depend on the toolchain. Scalars assigned later belong to no class.
  package init(computing scalar: Unicode.Scalar) {
    let properties = scalar.properties
    if let age = properties.age, age.major > 16 {
      self = []
      return
    }
    var classes: ScalarClasses =
      switch properties.generalCategory {
      case .uppercaseLetter, .titlecaseLetter: [.letter, .wordHead, .word]
      case .lowercaseLetter: [.letter, .wordTail, .word]
      case .modifierLetter, .otherLetter: [.letter, .wordHead, .wordTail, .word]
      case .nonspacingMark, .spacingMark, .enclosingMark: [.mark, .wordHead, .wordTail, .word]
      case .decimalNumber: [.number, .word]
      case .letterNumber: [.number, .word]
      case .otherNumber: [.number]
      case .connectorPunctuation: [.word]
      // The only other alphabetic scalars are circled letters and the like; the only other spaces are separators
      // and controls.
      case .otherSymbol: properties.isAlphabetic ? [.word] : []
      case .control, .spaceSeparator, .lineSeparator, .paragraphSeparator:
        properties.isWhitespace ? [.space] : []
      default: []
      }
    // Unicode 17 made this lowercase letter (the pharyngeal voiced fricative) one without case.
    if scalar == "\u{295}" { classes.remove(.wordHead) }
    // The reference engine counts the Latin-1 superscripts and fractions as word characters, and no others.
    if properties.generalCategory == .otherNumber, scalar.value < 0x100 { classes.insert(.word) }
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
      // The large uniform blocks take after their first scalar; asking for every one would triple the cost.
      let model: UInt32 =
        switch value {
        case 0x3400...0x4DBF: 0x3400  // ideographs, extension A
        case 0x4E00...0x9FFF: 0x4E00  // ideographs
        case 0xA016...0xA48C: 0xA016  // Yi syllables
        case 0xAC00...0xD7A3: 0xAC00  // Hangul syllables
        case 0xD800...0xF8FF: 0xE000  // surrogates (never asked for) and private use
        default: value
        }
      if model < value {
        table[Int(value)] = model < 0xD800 ? table[Int(model)] : 0
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
