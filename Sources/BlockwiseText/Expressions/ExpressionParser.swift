/// A regular expression as a tree.
indirect enum ExpressionNode {
  case empty
  case set(ScalarSet.Node)
  case sequence([ExpressionNode])
  case alternatives([ExpressionNode])
  case repetition(ExpressionNode, min: Int, max: Int?, RepetitionMode)
  case lookahead(ExpressionNode, isNegated: Bool)
  /// Matches as its content does and never gives back.
  case atomic(ExpressionNode)
  case assertion(Assertion)

  /// Places without length.
  enum Assertion: Sendable {
    case lineStart, lineEnd, textStart, textEnd, textEndOrLastLineEnd, wordBoundary, notWordBoundary
  }
}

/// How much a repetition takes first.
enum RepetitionMode: Sendable {
  case greedy, lazy, possessive
}

/// Why an expression is not interpreted.
struct ExpressionError: Error {
  var reason: String
}

/// Reads the part of the Oniguruma syntax that pre-tokenisers use, and names what it does not know.
struct ExpressionParser {
  private let scalars: [Unicode.Scalar]
  private var index = 0
  private var ignoresCase = false
  private var depth = 0

  private static let depthLimit = 60
  private static let countLimit = 1000

  init(_ text: String) { scalars = Array(text.unicodeScalars) }

  /// The whole expression.
  mutating func parse() throws(ExpressionError) -> ExpressionNode {
    let node = try alternatives()
    if index < scalars.count { throw fault("an unmatched ')'") }
    return node
  }

  private var current: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

  private mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
    guard current == scalar else { return false }
    index += 1
    return true
  }

  private func fault(_ reason: String) -> ExpressionError {
    ExpressionError(reason: "\(reason) at scalar \(index)")
  }

  // MARK: Structure

  private mutating func alternatives() throws(ExpressionError) -> ExpressionNode {
    depth += 1
    defer { depth -= 1 }
    if depth > Self.depthLimit { throw fault("groups nested more than \(Self.depthLimit) deep") }
    // `(?i)` holds to the end of its group.
    let outerCase = ignoresCase
    defer { ignoresCase = outerCase }
    var all = [try sequence()]
    while skip("|") { all.append(try sequence()) }
    return all.count == 1 ? all[0] : .alternatives(all)
  }

  private mutating func sequence() throws(ExpressionError) -> ExpressionNode {
    var items: [ExpressionNode] = []
    while let scalar = current, scalar != "|", scalar != ")" {
      let item = try atom()
      items.append(try repeated(item))
    }
    return items.count == 1 ? items[0] : .sequence(items)
  }

  private mutating func repeated(_ atom: ExpressionNode) throws(ExpressionError) -> ExpressionNode {
    var node = atom
    while true {
      let bounds: (min: Int, max: Int?)
      var isInterval = false
      switch current {
      case "*": bounds = (0, nil)
      case "+": bounds = (1, nil)
      case "?": bounds = (0, 1)
      case "{":
        guard let interval = try interval() else { return node }
        bounds = interval
        isInterval = true
      default: return node
      }
      if !isInterval { index += 1 }
      if case .assertion = node { throw fault("a repeated assertion") }
      if case .lookahead = node { throw fault("a repeated lookahead") }
      // As in the reference, `{n,m}+` repeats the repetition and `{n}?` makes it optional.
      if isInterval, bounds.min == bounds.max, skip("?") {
        node = .repetition(
          .repetition(node, min: bounds.min, max: bounds.max, .greedy), min: 0, max: 1, .greedy)
      } else if skip("?") {
        node = .repetition(node, min: bounds.min, max: bounds.max, .lazy)
      } else if !isInterval, skip("+") {
        node = .repetition(node, min: bounds.min, max: bounds.max, .possessive)
      } else {
        node = .repetition(node, min: bounds.min, max: bounds.max, .greedy)
      }
    }
  }

  /// `{n}`, `{n,}`, `{n,m}` or `{,m}`; nil when the brace stands for itself.
  private mutating func interval() throws(ExpressionError) -> (min: Int, max: Int?)? {
    var place = index + 1
    func number() -> Int? {
      var value: Int?
      while place < scalars.count, let digit = asciiDigit(scalars[place]) {
        value = Swift.min((value ?? 0) * 10 + digit, 1_000_000)
        place += 1
      }
      return value
    }
    let low = number()
    var high = low
    let hasComma = place < scalars.count && scalars[place] == ","
    if hasComma {
      place += 1
      high = number()
    }
    guard place < scalars.count, scalars[place] == "}", low != nil || high != nil else { return nil }
    index = place + 1
    let min = low ?? 0
    if min > Self.countLimit || (high ?? 0) > Self.countLimit {
      throw fault("a repetition of more than \(Self.countLimit)")
    }
    if let high, high < min { throw fault("a repetition {\(min),\(high)}") }
    return (min, high)
  }

  private func asciiDigit(_ scalar: Unicode.Scalar) -> Int? {
    ("0"..."9").contains(scalar) ? Int(scalar.value - 0x30) : nil
  }

  private mutating func atom() throws(ExpressionError) -> ExpressionNode {
    guard let scalar = current else { return .empty }
    index += 1
    switch scalar {
    case "(": return try group()
    case "[": return .set(folded(try characterClass()))
    case ".": return .set(.not(.ranges([0x0A...0x0A])))
    case "^": return .assertion(.lineStart)
    case "$": return .assertion(.lineEnd)
    case "*", "+", "?": throw fault("a '\(scalar)' with nothing to repeat")
    case "\\": return try escape()
    default: return .set(literal(scalar))
    }
  }

  private func literal(_ scalar: Unicode.Scalar) -> ScalarSet.Node {
    guard ignoresCase else { return .ranges([scalar.value...scalar.value]) }
    return .ranges(ScalarSet.caseVariants(scalar.value).map { $0...$0 })
  }

  private func folded(_ node: ScalarSet.Node) -> ScalarSet.Node { ignoresCase ? .anyCase(node) : node }

  private mutating func group() throws(ExpressionError) -> ExpressionNode {
    guard skip("?") else { return try closing(try alternatives()) }
    guard let kind = current else { throw fault("an unfinished group") }
    index += 1
    switch kind {
    case ":": return try closing(try alternatives())
    case "=": return .lookahead(try closing(try alternatives()), isNegated: false)
    case "!": return .lookahead(try closing(try alternatives()), isNegated: true)
    case ">": return .atomic(try closing(try alternatives()))
    case "i", "-":
      if kind == "-", !skip("i") { throw fault("the option group (?-\(current.map(String.init) ?? "")") }
      let outerCase = ignoresCase
      ignoresCase = kind == "i"
      if skip(")") { return .empty }  // for the rest of the enclosing group, which restores it
      guard skip(":") else { throw fault("an option group other than (?i) and (?i:…)") }
      let node = try closing(try alternatives())
      ignoresCase = outerCase
      return node
    case "<":
      throw fault(current == "=" || current == "!" ? "a lookbehind" : "a named group")
    default: throw fault("the group (?\(kind)")
    }
  }

  private mutating func closing(_ node: ExpressionNode) throws(ExpressionError) -> ExpressionNode {
    guard skip(")") else { throw fault("a '(' without ')'") }
    return node
  }

  // MARK: Escapes

  private mutating func escape() throws(ExpressionError) -> ExpressionNode {
    guard let scalar = current else { throw fault("a '\\' at the end") }
    switch scalar {
    case "b", "B", "A", "z", "Z":
      index += 1
      let assertions: [Unicode.Scalar: ExpressionNode.Assertion] = [
        "b": .wordBoundary, "B": .notWordBoundary, "A": .textStart, "z": .textEnd,
        "Z": .textEndOrLastLineEnd,
      ]
      return assertions[scalar].map { .assertion($0) } ?? .empty
    default:
      if let set = try classEscape(inClass: false) { return .set(folded(set)) }
      return .set(literal(try scalarEscape()))
    }
  }

  /// `\s`, `\p{…}` and the like; nil when the escape stands for one scalar.
  private mutating func classEscape(inClass: Bool) throws(ExpressionError) -> ScalarSet.Node? {
    guard let scalar = current else { throw fault("a '\\' at the end") }
    index += 1
    switch scalar {
    case "s": return .space
    case "S": return .not(.space)
    case "d": return .categories(.decimalNumber)
    case "D": return .not(.categories(.decimalNumber))
    case "w": return inClass ? .wordInClass : .word
    case "W": return .not(inClass ? .wordInClass : .word)
    case "p", "P":
      let node = try property()
      return scalar == "P" ? .not(node) : node
    default:
      index -= 1
      return nil
    }
  }

  private mutating func property() throws(ExpressionError) -> ScalarSet.Node {
    guard skip("{") else { throw fault("a \\p without braces") }
    let isNegated = skip("^")
    var name = ""
    while let scalar = current, scalar != "}" {
      name.unicodeScalars.append(scalar)
      index += 1
    }
    guard skip("}") else { throw fault("a \\p{ without '}'") }
    guard let node = CategorySet(name: name).map({ ScalarSet.Node.categories($0) }) ?? ScalarSet.scripts[name]
    else { throw fault("the property \\p{\(name)}") }
    return isNegated ? .not(node) : node
  }

  private mutating func scalarEscape() throws(ExpressionError) -> Unicode.Scalar {
    guard let scalar = current else { throw fault("a '\\' at the end") }
    index += 1
    switch scalar {
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case "f": return "\u{0C}"
    case "v": return "\u{0B}"
    case "a": return "\u{07}"
    case "e": return "\u{1B}"
    case "x":
      if skip("{") {
        let value = try hexadecimal(atMost: 8)
        guard skip("}") else { throw fault("a \\x{ without '}'") }
        return value
      }
      return try hexadecimal(atMost: 2)
    case "u": return try hexadecimal(atMost: 4)
    default:
      let isAlphanumeric = scalar.isASCII && (scalar.properties.isAlphabetic || asciiDigit(scalar) != nil)
      if isAlphanumeric { throw fault("the escape \\\(scalar)") }
      return scalar
    }
  }

  private mutating func hexadecimal(atMost limit: Int) throws(ExpressionError) -> Unicode.Scalar {
    var value: UInt32 = 0
    var count = 0
    while count < limit, let scalar = current, scalar.isASCII, let digit = Character(scalar).hexDigitValue {
      value = value << 4 | UInt32(digit)
      count += 1
      index += 1
    }
    guard count > 0, let scalar = Unicode.Scalar(value) else { throw fault("a number that is no scalar") }
    return scalar
  }

  // MARK: Classes

  /// The rest of a class behind its '['.
  private mutating func characterClass() throws(ExpressionError) -> ScalarSet.Node {
    depth += 1
    defer { depth -= 1 }
    if depth > Self.depthLimit { throw fault("classes nested more than \(Self.depthLimit) deep") }
    let isNegated = skip("^")
    var intersected: [ScalarSet.Node] = []
    var items: [ScalarSet.Node] = []
    var isFirst = true
    while true {
      guard let scalar = current else { throw fault("a '[' without ']'") }
      index += 1
      if scalar == "]" && !isFirst { break }
      isFirst = false
      if scalar == "[" {
        if current == ":" { throw fault("a POSIX class [:…:]") }
        items.append(try characterClass())
      } else if scalar == "&", current == "&" {
        index += 1
        intersected.append(.union(items))
        items = []
      } else if scalar == "\\", let set = try classEscape(inClass: true) {
        items.append(set)
      } else {
        items.append(.ranges([try range(from: scalar)]))
      }
    }
    let node: ScalarSet.Node =
      intersected.isEmpty ? .union(items) : .intersection(intersected + [.union(items)])
    return isNegated ? .not(folded(node)) : node
  }

  /// A scalar or a range of a class; the cursor is behind its first scalar.
  private mutating func range(from scalar: Unicode.Scalar) throws(ExpressionError) -> ClosedRange<UInt32> {
    let low = scalar == "\\" ? try classScalar() : scalar
    guard current == "-", index + 1 < scalars.count, scalars[index + 1] != "]" else {
      return low.value...low.value
    }
    let next = scalars[index + 1]
    if next == "[" { throw fault("a range up to a class") }
    index += 2
    let high: Unicode.Scalar
    if next == "\\" {
      if let letter = current, "sSdDwWpP".unicodeScalars.contains(letter) {
        throw fault("a range up to a class")
      }
      high = try classScalar()
    } else {
      high = next
    }
    guard low.value <= high.value else { throw fault("the range \(low)-\(high)") }
    return low.value...high.value
  }

  private mutating func classScalar() throws(ExpressionError) -> Unicode.Scalar {
    if skip("b") { return "\u{08}" }
    return try scalarEscape()
  }
}
