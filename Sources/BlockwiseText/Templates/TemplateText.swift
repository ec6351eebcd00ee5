/// Strings as templates see them: rows of Unicode scalars, compared by their bytes.
enum TemplateText {
  /// White space that `strip` removes.
  static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F,
      0x3000:
      true
    default: false
    }
  }

  static func isIdentifierStart(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "_": true
    default: scalar.value >= 0x80 && scalar.properties.isXIDStart
    }
  }

  static func isIdentifierPart(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "_", "0"..."9": true
    default: scalar.value >= 0x80 && scalar.properties.isXIDContinue
    }
  }

  static func isNumber(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
  }

  static func equal(_ lhs: String, _ rhs: String) -> Bool {
    var lhs = lhs
    var rhs = rhs
    return lhs.withUTF8 { lhs in
      rhs.withUTF8 { rhs in lhs.count == rhs.count && lhs.elementsEqual(rhs) }
    }
  }

  /// The order of scalars, which is the order of UTF-8 bytes.
  static func precedes(_ lhs: String, _ rhs: String) -> Bool { lhs.utf8.lexicographicallyPrecedes(rhs.utf8) }

  static func hasPrefix(_ text: String, _ prefix: String) -> Bool { text.utf8.starts(with: prefix.utf8) }

  static func hasSuffix(_ text: String, _ suffix: String) -> Bool {
    text.utf8.count >= suffix.utf8.count && text.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
  }

  /// Where a pattern occurs without overlap, as offsets of bytes; at most `limit` times. The pattern is not empty.
  static func places(of pattern: String, in text: String, limit: Int = .max) -> [Int] {
    var text = text
    var pattern = pattern
    return text.withUTF8 { text in
      pattern.withUTF8 { pattern in
        var places: [Int] = []
        var place = 0
        guard let first = pattern.first else { return [] }
        while places.count < limit, place + pattern.count <= text.count {
          if text[place] == first,
            UnsafeBufferPointer(rebasing: text[place..<place + pattern.count]).elementsEqual(pattern)
          {
            places.append(place)
            place += pattern.count
          } else {
            place += 1
          }
        }
        return places
      }
    }
  }

  static func contains(_ text: String, _ pattern: String) -> Bool {
    pattern.isEmpty || !places(of: pattern, in: text, limit: 1).isEmpty
  }

  /// The pieces between the places of a separator.
  static func split(_ text: String, by separator: String, limit: Int) -> [String] {
    let bytes = Array(text.utf8)
    var pieces: [String] = []
    var start = 0
    for place in places(of: separator, in: text, limit: limit) {
      pieces.append(String(decoding: bytes[start..<place], as: UTF8.self))
      start = place + separator.utf8.count
    }
    pieces.append(String(decoding: bytes[start...], as: UTF8.self))
    return pieces
  }

  /// The words between stretches of white space.
  static func words(_ text: String, limit: Int) -> [String] {
    var words: [String] = []
    var rest = text.unicodeScalars[...]
    while true {
      rest = rest.drop(while: isSpace)
      guard !rest.isEmpty else { return words }
      if words.count == limit {
        words.append(String(rest))
        return words
      }
      let word = rest.prefix { !isSpace($0) }
      words.append(String(word))
      rest = rest[word.endIndex...]
    }
  }

  static func replacing(_ text: String, _ pattern: String, with content: String, limit: Int) -> String {
    if pattern.isEmpty {
      // Between all characters and at both ends.
      var result = String.UnicodeScalarView()
      var count = 0
      for scalar in text.unicodeScalars {
        if count < limit { result.append(contentsOf: content.unicodeScalars) }
        count += 1
        result.append(scalar)
      }
      if count < limit { result.append(contentsOf: content.unicodeScalars) }
      return String(result)
    }
    let pieces = split(text, by: pattern, limit: limit)
    return pieces.count == 1 ? text : pieces.joined(separator: content)
  }

  /// Without white space, or without the given characters, at its ends.
  static func strip(_ text: String, left: Bool, right: Bool, characters: String?) -> String {
    let set = characters.map { Set($0.unicodeScalars) }
    func isDropped(_ scalar: Unicode.Scalar) -> Bool { set.map { $0.contains(scalar) } ?? isSpace(scalar) }
    var rest = text.unicodeScalars[...]
    if left { rest = rest.drop(while: isDropped) }
    if right { while let last = rest.last, isDropped(last) { rest.removeLast() } }
    return String(rest)
  }

  /// The first scalar in upper case, the others in lower case.
  static func capitalized(_ text: String) -> String {
    guard let first = text.unicodeScalars.first else { return text }
    return first.properties.titlecaseMapping + String(text.unicodeScalars.dropFirst()).lowercased()
  }

  /// Words begin in upper case; a word is what `isBoundary` leaves together.
  static func titled(
    _ text: String, first: (Unicode.Scalar) -> String = { $0.properties.titlecaseMapping },
    isBoundary: (Unicode.Scalar) -> Bool
  ) -> String {
    var result = ""
    var isInWord = false
    for scalar in text.unicodeScalars {
      if isBoundary(scalar) {
        result.unicodeScalars.append(scalar)
        isInWord = false
      } else {
        result += isInWord ? scalar.properties.lowercaseMapping : first(scalar)
        isInWord = true
      }
    }
    return result
  }

  static func lines(_ text: String, keepsEnds: Bool) -> [String] {
    var lines: [String] = []
    var line = String.UnicodeScalarView()
    var scalars = text.unicodeScalars.makeIterator()
    var pending = scalars.next()
    while let scalar = pending {
      pending = scalars.next()
      switch scalar.value {
      case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029:
        if keepsEnds { line.append(scalar) }
        if scalar == "\r", pending == "\n" {
          if keepsEnds { line.append("\n") }
          pending = scalars.next()
        }
        lines.append(String(line))
        line = String.UnicodeScalarView()
      default: line.append(scalar)
      }
    }
    if !line.isEmpty { lines.append(String(line)) }
    return lines
  }

  static func escapedForHTML(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "'": result += "&#39;"
      case "\"": result += "&#34;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// A double as the language of the templates writes it: `21.5`, `1e-05`, `1e+16`.
  static func text(_ number: Double) -> String {
    if number.isNaN { return "nan" }
    if number.isInfinite { return number < 0 ? "-inf" : "inf" }
    // The shortest digits come from the standard library, their layout from here.
    var digits = ""
    var exponent = 0
    var pointPlace: Int?
    let written = number.magnitude.description
    let parts = written.split(separator: "e")
    for character in parts.first ?? "0" {
      if character == "." { pointPlace = digits.count } else { digits.append(character) }
    }
    exponent = (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) + (pointPlace ?? digits.count) - 1
    while digits.count > 1, digits.first == "0" {
      digits.removeFirst()
      exponent -= 1
    }
    while digits.count > 1, digits.last == "0" { digits.removeLast() }
    let sign = number.sign == .minus ? "-" : ""
    if number == 0 { return sign + "0.0" }
    if exponent < -4 || exponent >= 16 {
      let fraction = digits.count > 1 ? "." + digits.dropFirst() : ""
      let size = exponent.magnitude < 10 ? "0\(exponent.magnitude)" : "\(exponent.magnitude)"
      return sign + digits.prefix(1) + fraction + "e" + (exponent < 0 ? "-" : "+") + size
    }
    if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
    if digits.count <= exponent + 1 {
      return sign + digits + String(repeating: "0", count: exponent + 1 - digits.count) + ".0"
    }
    return sign + digits.prefix(exponent + 1) + "." + digits.dropFirst(exponent + 1)
  }

  /// A string between quotes, as it is written inside a printed list.
  static func quoted(_ text: String) -> String {
    let quote: Unicode.Scalar =
      text.unicodeScalars.contains("'") && !text.unicodeScalars.contains("\"") ? "\"" : "'"
    var result = String.UnicodeScalarView()
    result.append(quote)
    for scalar in text.unicodeScalars {
      switch scalar {
      case quote, "\\":
        result.append("\\")
        result.append(scalar)
      case "\n": result.append(contentsOf: "\\n".unicodeScalars)
      case "\r": result.append(contentsOf: "\\r".unicodeScalars)
      case "\t": result.append(contentsOf: "\\t".unicodeScalars)
      default:
        if isPrintable(scalar) {
          result.append(scalar)
        } else {
          let value = scalar.value
          let (prefix, width) = value < 0x100 ? ("\\x", 2) : value < 0x1_0000 ? ("\\u", 4) : ("\\U", 8)
          let digits = String(value, radix: 16)
          result.append(
            contentsOf: (prefix + String(repeating: "0", count: width - digits.count) + digits).unicodeScalars
          )
        }
      }
    }
    result.append(quote)
    return String(result)
  }

  private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    if scalar == " " { return true }
    return switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
      .spaceSeparator:
      false
    default: true
    }
  }
}
