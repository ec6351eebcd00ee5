/// A set of Unicode general categories, one bit each.
struct CategorySet: OptionSet, Sendable, Hashable {
  let rawValue: UInt32

  /// The categories under their short names, in the order of the bits.
  private static let names = [
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf",
    "Po",
    "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
  ]

  private static let longNames = [
    "Letter": "L", "Uppercase_Letter": "Lu", "Lowercase_Letter": "Ll", "Titlecase_Letter": "Lt",
    "Modifier_Letter": "Lm", "Other_Letter": "Lo", "Mark": "M", "Nonspacing_Mark": "Mn", "Spacing_Mark": "Mc",
    "Enclosing_Mark": "Me", "Number": "N", "Decimal_Number": "Nd", "Letter_Number": "Nl",
    "Other_Number": "No",
    "Punctuation": "P", "Connector_Punctuation": "Pc", "Dash_Punctuation": "Pd", "Open_Punctuation": "Ps",
    "Close_Punctuation": "Pe", "Initial_Punctuation": "Pi", "Final_Punctuation": "Pf",
    "Other_Punctuation": "Po", "Symbol": "S", "Math_Symbol": "Sm", "Currency_Symbol": "Sc",
    "Modifier_Symbol": "Sk", "Other_Symbol": "So", "Separator": "Z", "Space_Separator": "Zs",
    "Line_Separator": "Zl", "Paragraph_Separator": "Zp", "Other": "C", "Control": "Cc", "Format": "Cf",
    "Surrogate": "Cs", "Private_Use": "Co", "Unassigned": "Cn",
  ]

  /// The categories of a name as regular expressions write it: `Lu`, `L` for all letters, `Letter`.
  init?(name: String) {
    let short = Self.longNames[name] ?? name
    let bits = Self.names.indices.filter {
      short.count == 1 ? Self.names[$0].hasPrefix(short) : Self.names[$0] == short
    }
    if bits.isEmpty { return nil }
    self.init(rawValue: bits.reduce(0) { $0 | 1 << UInt32($1) })
  }

  init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The category of one scalar.
  init(_ category: Unicode.GeneralCategory) {
    let bit: UInt32 =
      switch category {
      case .uppercaseLetter: 0
      case .lowercaseLetter: 1
      case .titlecaseLetter: 2
      case .modifierLetter: 3
      case .otherLetter: 4
      case .nonspacingMark: 5
      case .spacingMark: 6
      case .enclosingMark: 7
      case .decimalNumber: 8
      case .letterNumber: 9
      case .otherNumber: 10
      case .connectorPunctuation: 11
      case .dashPunctuation: 12
      case .openPunctuation: 13
      case .closePunctuation: 14
      case .initialPunctuation: 15
      case .finalPunctuation: 16
      case .otherPunctuation: 17
      case .mathSymbol: 18
      case .currencySymbol: 19
      case .modifierSymbol: 20
      case .otherSymbol: 21
      case .spaceSeparator: 22
      case .lineSeparator: 23
      case .paragraphSeparator: 24
      case .control: 25
      case .format: 26
      case .surrogate: 27
      case .privateUse: 28
      case .unassigned: 29
      @unknown default: 29
      }
    self.init(rawValue: 1 << bit)
  }

  /// No category at all, for scalars that the pinned version of Unicode does not have.
  static let unassigned = CategorySet(.unassigned)
  static let otherNumber = CategorySet(.otherNumber)
  static let decimalNumber = CategorySet(.decimalNumber)
}

/// The general category of scalars: a table for the basic plane, built at first use by an expression that asks for
/// one, and the standard library for the rest.
struct CategoryTable: Sendable {
  static let shared = CategoryTable()

  /// The number of a category's bit, per scalar of the basic plane.
  private let basicPlane: [UInt8]

  private init() {
    basicPlane = (UInt32(0)..<0x10000).map {
      UInt8(truncatingIfNeeded: Self.compute($0).rawValue.trailingZeroBitCount)
    }
  }

  @inline(__always)
  subscript(value: UInt32) -> CategorySet {
    if value < 0x10000 { return CategorySet(rawValue: 1 << UInt32(basicPlane[Int(value)])) }
    return Self.compute(value)
  }

  /// As of Unicode 16, whatever version the standard library has.
  private static func compute(_ value: UInt32) -> CategorySet {
    guard let scalar = Unicode.Scalar(value) else { return CategorySet(.surrogate) }
    if scalar == "\u{295}" { return CategorySet(.lowercaseLetter) }
    if let age = scalar.properties.age, age.major > 16 { return .unassigned }
    return CategorySet(scalar.properties.generalCategory)
  }
}
