/// Cuts a template into tokens and applies its white space control.
///
/// The rules are those under which checkpoints' templates are written: the first line end behind a tag and white
/// space in front of a tag at the start of a line do not count (`trim_blocks`, `lstrip_blocks`), `-` strips all white
/// space on its side, `+` keeps it, and one line end at the very end is dropped.
struct TemplateLexer {
  private let template: String
  private let source: [Unicode.Scalar]
  private var place = 0
  private var line = 1
  private var tokens: [TemplateToken] = []
  /// Whether the text that comes starts a line: white space before its first tag is then indentation.
  private var startsLine = true

  /// Prepares `source`: every kind of line end becomes a line feed.
  init(_ source: String, template: String) {
    self.template = template
    var scalars: [Unicode.Scalar] = []
    scalars.reserveCapacity(source.utf8.count)
    var previous: Unicode.Scalar = " "
    for scalar in source.unicodeScalars {
      if scalar == "\r" || (scalar == "\n" && previous != "\r") {
        scalars.append("\n")
      } else if scalar != "\n" {
        scalars.append(scalar)
      }
      previous = scalar
    }
    if scalars.last == "\n" { scalars.removeLast() }
    self.source = scalars
  }

  /// All tokens; the last one is the end.
  mutating func run() throws(TemplateError) -> [TemplateToken] {
    while place < source.count { try readText() }
    append(.end)
    return tokens
  }

  // MARK: Text

  private mutating func readText() throws(TemplateError) {
    var end = place
    while end < source.count, !isOpening(end) { end += 1 }
    guard end < source.count else {
      emitText(place..<end)
      place = end
      return
    }
    let kind = source[end + 1]
    let sign = end + 2 < source.count ? source[end + 2] : " "
    var textEnd = end
    if sign == "-" {
      while textEnd > place, TemplateText.isSpace(source[textEnd - 1]) { textEnd -= 1 }
    } else if sign != "+", kind != "{" {
      // Indentation in front of a tag or comment.
      var lineStart = end
      while lineStart > place, source[lineStart - 1] != "\n" { lineStart -= 1 }
      if lineStart > place || startsLine,
        source[lineStart..<end].allSatisfy(TemplateText.isSpace)
      {
        textEnd = lineStart
      }
    }
    emitText(place..<textEnd)
    countLines(place..<end)
    place = end + 2
    if sign == "-" || sign == "+" { place += 1 }
    switch kind {
    case "#": try skipComment()
    case "%":
      if try readRaw() { return }
      append(.tagBegin)
      try readCode(isTag: true)
    default:
      append(.outputBegin)
      try readCode(isTag: false)
    }
  }

  private func isOpening(_ index: Int) -> Bool {
    guard source[index] == "{", index + 1 < source.count else { return false }
    let next = source[index + 1]
    return next == "{" || next == "%" || next == "#"
  }

  private mutating func emitText(_ range: Range<Int>) {
    guard !range.isEmpty else { return }
    var text = String.UnicodeScalarView()
    text.append(contentsOf: source[range])
    append(.text(String(text)))
  }

  private mutating func skipComment() throws(TemplateError) {
    let start = line
    var index = place
    while index + 1 < source.count, !(source[index] == "#" && source[index + 1] == "}") { index += 1 }
    guard index + 1 < source.count else {
      throw .syntax(template: template, line: start, found: "a comment without end", expected: "'#}'")
    }
    let sign: Unicode.Scalar? = index > place ? source[index - 1] : nil
    countLines(place..<index + 2)
    place = index + 2
    finishTag(sign: sign, trims: true)
  }

  /// `{% raw %}` … `{% endraw %}`: everything between is text.
  private mutating func readRaw() throws(TemplateError) -> Bool {
    var index = place
    guard skipWord("raw", &index) else { return false }
    let strips = index < source.count && source[index] == "-"
    if strips { index += 1 }
    guard index + 1 < source.count, source[index] == "%", source[index + 1] == "}" else { return false }
    index += 2
    if strips { while index < source.count, TemplateText.isSpace(source[index]) { index += 1 } }
    let start = index
    let startLine = line
    while index < source.count {
      guard source[index] == "{", index + 1 < source.count, source[index + 1] == "%" else {
        index += 1
        continue
      }
      var end = index + 2
      let opening: Unicode.Scalar? = end < source.count ? source[end] : nil
      if opening == "-" || opening == "+" { end += 1 }
      guard skipWord("endraw", &end) else {
        index += 1
        continue
      }
      let sign: Unicode.Scalar? = end < source.count ? source[end] : nil
      if sign == "-" || sign == "+" { end += 1 }
      guard end + 1 < source.count, source[end] == "%", source[end + 1] == "}" else {
        index += 1
        continue
      }
      var textEnd = index
      if opening == "-" {
        while textEnd > start, TemplateText.isSpace(source[textEnd - 1]) { textEnd -= 1 }
      } else if opening != "+" {
        var lineStart = index
        while lineStart > start, source[lineStart - 1] != "\n" { lineStart -= 1 }
        if lineStart > start, source[lineStart..<index].allSatisfy(TemplateText.isSpace) {
          textEnd = lineStart
        }
      }
      emitText(start..<textEnd)
      countLines(place..<end + 2)
      place = end + 2
      finishTag(sign: sign, trims: true)
      return true
    }
    throw .syntax(
      template: template, line: startLine, found: "'raw' without end", expected: "'{% endraw %}'")
  }

  /// Steps over a word with white space around it.
  private func skipWord(_ word: String, _ index: inout Int) -> Bool {
    var end = index
    while end < source.count, TemplateText.isSpace(source[end]) { end += 1 }
    for scalar in word.unicodeScalars {
      guard end < source.count, source[end] == scalar else { return false }
      end += 1
    }
    if end < source.count, TemplateText.isIdentifierPart(source[end]) { return false }
    while end < source.count, TemplateText.isSpace(source[end]) { end += 1 }
    index = end
    return true
  }

  /// Behind a closing delimiter: drops what its sign and the rules for tags say.
  private mutating func finishTag(sign: Unicode.Scalar?, trims: Bool) {
    let start = place
    if sign == "-" {
      while place < source.count, TemplateText.isSpace(source[place]) { place += 1 }
    } else if trims, sign != "+", place < source.count, source[place] == "\n" {
      place += 1
    }
    countLines(start..<place)
    startsLine = place > start && source[place - 1] == "\n"
  }

  // MARK: Inside a tag

  private mutating func readCode(isTag: Bool) throws(TemplateError) {
    let close: Unicode.Scalar = isTag ? "%" : "}"
    let opening = line
    /// Closing brackets that are due; a delimiter counts only when none is.
    var due: [Unicode.Scalar] = []
    while true {
      skipSpace()
      guard place < source.count else {
        throw .syntax(
          template: template, line: opening, found: "a tag without end", expected: isTag ? "'%}'" : "'}}'")
      }
      let scalar = source[place]
      if due.isEmpty {
        let isSigned = scalar == "-" || (scalar == "+" && isTag)
        let at = isSigned ? place + 1 : place
        if at + 1 < source.count, source[at] == close, source[at + 1] == "}" {
          append(isTag ? .tagEnd : .outputEnd)
          place = at + 2
          finishTag(sign: isSigned ? scalar : nil, trims: isTag)
          return
        }
      }
      try readWord(scalar, &due)
    }
  }

  private mutating func readWord(
    _ scalar: Unicode.Scalar, _ due: inout [Unicode.Scalar]
  ) throws(TemplateError) {
    switch scalar {
    case "\"", "'": try readString(scalar)
    case "0"..."9": try readNumber()
    case _ where TemplateText.isIdentifierStart(scalar):
      let start = place
      while place < source.count, TemplateText.isIdentifierPart(source[place]) { place += 1 }
      append(.name(text(start..<place)))
    default:
      if place + 1 < source.count {
        let pair = text(place..<place + 2)
        if ["//", "**", "==", "!=", ">=", "<="].contains(pair) {
          append(.symbol(pair))
          place += 2
          return
        }
      }
      guard "+-*/%~()[]{}.:|,=<>".unicodeScalars.contains(scalar) else {
        throw fault(found: "the character '\(scalar)'", expected: "an expression or the end of the tag")
      }
      switch scalar {
      case "(": due.append(")")
      case "[": due.append("]")
      case "{": due.append("}")
      case ")", "]", "}":
        guard due.popLast() == scalar else {
          throw fault(found: "'\(scalar)'", expected: "balanced brackets")
        }
      default: break
      }
      append(.symbol(String(scalar)))
      place += 1
    }
  }

  private mutating func readNumber() throws(TemplateError) {
    let start = place
    let isMember = tokens.last?.kind == .symbol(".")  // `a.0.1` holds no fraction
    func digits(_ index: inout Int) {
      while index < source.count, isDigit(source[index]) || (source[index] == "_" && isDigit(at: index + 1)) {
        index += 1
      }
    }
    var index = place
    digits(&index)
    place = index
    var isFloat = false
    if !isMember {
      if index < source.count, source[index] == ".", isDigit(at: index + 1) {
        index += 1
        digits(&index)
        isFloat = true
        place = index
      }
      if index < source.count, source[index] == "e" || source[index] == "E" {
        index += 1
        if index < source.count, source[index] == "+" || source[index] == "-" { index += 1 }
        if isDigit(at: index) {
          digits(&index)
          isFloat = true
          place = index
        }
      }
    }
    let written = text(start..<place).filter { $0 != "_" }
    if place < source.count, TemplateText.isIdentifierPart(source[place]) {
      throw fault(found: "'\(source[place])' behind the number \(written)", expected: "a decimal number")
    }
    if isFloat {
      guard let value = Double(written), value.isFinite else {
        throw fault(found: "the number \(written)", expected: "a number within the range of a double")
      }
      append(.float(value))
    } else {
      guard let value = Int(written) else {
        throw fault(found: "the number \(written)", expected: "a number of at most 64 bits")
      }
      append(.integer(value))
    }
  }

  private func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }
  private func isDigit(at index: Int) -> Bool { index < source.count && isDigit(source[index]) }

  private mutating func readString(_ quote: Unicode.Scalar) throws(TemplateError) {
    let start = line
    var result = String.UnicodeScalarView()
    var index = place + 1
    while true {
      guard index < source.count else {
        throw .syntax(template: template, line: start, found: "a string without end", expected: "'\(quote)'")
      }
      let scalar = source[index]
      if scalar == quote { break }
      index += 1
      if scalar != "\\" {
        result.append(scalar)
        continue
      }
      guard index < source.count else { continue }
      let escape = source[index]
      index += 1
      switch escape {
      case "n": result.append("\n")
      case "t": result.append("\t")
      case "r": result.append("\r")
      case "a": result.append("\u{7}")
      case "b": result.append("\u{8}")
      case "f": result.append("\u{C}")
      case "v": result.append("\u{B}")
      case "\\", "'", "\"": result.append(escape)
      case "\n": break  // a line end that does not count
      case "x": result.append(try readScalar(digits: 2, at: &index, start))
      case "u": result.append(try readScalar(digits: 4, at: &index, start))
      case "U": result.append(try readScalar(digits: 8, at: &index, start))
      case "N":
        throw .unsupported(template: template, line: start, construct: "the escape '\\N' in a string")
      case "0"..."7":
        var value: UInt32 = 0
        var count = 0
        index -= 1
        while count < 3, index < source.count, ("0"..."7").contains(source[index]) {
          value = value * 8 + (source[index].value - 48)
          index += 1
          count += 1
        }
        result.append(Unicode.Scalar(value) ?? "\u{FFFD}")
      default:
        // Unknown escapes stand for themselves.
        result.append("\\")
        result.append(escape)
      }
    }
    countLines(place..<index)
    place = index + 1
    tokens.append(TemplateToken(kind: .string(String(result)), line: start))
  }

  private func readScalar(
    digits: Int, at index: inout Int, _ line: Int
  ) throws(TemplateError) -> Unicode.Scalar {
    let end = index + digits
    guard end <= source.count, let value = UInt32(text(index..<end), radix: 16),
      let scalar = Unicode.Scalar(value)
    else {
      throw .syntax(
        template: template, line: line, found: "an escape in a string that is no character",
        expected: "\(digits) hexadecimal digits")
    }
    index = end
    return scalar
  }

  // MARK: Small things

  private mutating func skipSpace() {
    while place < source.count, TemplateText.isSpace(source[place]) {
      if source[place] == "\n" { line += 1 }
      place += 1
    }
  }

  private mutating func countLines(_ range: Range<Int>) {
    for index in range where source[index] == "\n" { line += 1 }
  }

  private func text(_ range: Range<Int>) -> String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: source[range])
    return String(view)
  }

  private mutating func append(_ kind: TemplateToken.Kind) {
    tokens.append(TemplateToken(kind: kind, line: line))
  }

  private func fault(found: String, expected: String) -> TemplateError {
    .syntax(template: template, line: line, found: found, expected: expected)
  }
}
