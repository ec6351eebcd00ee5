/// `tojson`: keys in their order, `, ` and `: ` as separators, characters beyond ASCII as they are.
extension TemplateRenderer {
  func json(_ value: TemplateValue, _ options: [TemplateValue?]) throws(TemplateError) -> String {
    var layout = Layout()
    layout.isASCII = options[0]?.isTrue ?? false
    switch options[1] {
    case nil, .none?: break
    case .string(let indentation)?: layout.indentation = indentation
    case let width?: layout.indentation = try repeating(" ", try integer(width, "'indent' of 'tojson'"))
    }
    if layout.indentation != nil { layout.itemSeparator = "," }
    if let separators = options[2] {
      if case .none = separators {
      } else {
        let pair = try elements(of: separators)
        guard pair.count == 2 else { throw fault("'separators' of 'tojson' are not two texts") }
        layout.itemSeparator = try string(pair[0], "the first of the 'separators' of 'tojson'")
        layout.keySeparator = try string(pair[1], "the second of the 'separators' of 'tojson'")
      }
    }
    layout.sortsKeys = options[3]?.isTrue ?? false
    var text = ""
    try write(value, layout, 0, to: &text)
    return text
  }

  private struct Layout {
    var isASCII = false
    /// Of each level; nil writes all on one line.
    var indentation: String?
    var itemSeparator = ", "
    var keySeparator = ": "
    var sortsKeys = false
  }

  private func write(
    _ value: TemplateValue, _ layout: Layout, _ level: Int, to text: inout String
  ) throws(TemplateError) {
    try charge()
    switch value {
    case .none: text += "null"
    case .bool(let bool): text += bool ? "true" : "false"
    case .integer(let integer): text += "\(integer)"
    case .float(let float):
      text +=
        float.isNaN
        ? "NaN" : float.isInfinite ? (float < 0 ? "-Infinity" : "Infinity") : TemplateText.text(float)
    case .string(let string): try write(string, layout, to: &text)
    case .list(let list) where list.kind == .list || list.kind == .tuple:
      text += "["
      for (index, item) in list.items.enumerated() {
        try startItem(index, layout, level, to: &text)
        try write(item, layout, level + 1, to: &text)
      }
      try end(list.items.isEmpty, layout, level, to: &text)
      text += "]"
    case .dictionary(let dictionary):
      var members = Array(zip(dictionary.keys, dictionary.values))
      if layout.sortsKeys {
        members = try sorted(members) { (left, right) throws(TemplateError) in
          try charge()
          return TemplateText.precedes(left.0, right.0)
        }
      }
      text += "{"
      for (index, (key, item)) in members.enumerated() {
        try startItem(index, layout, level, to: &text)
        try write(key, layout, to: &text)
        text += layout.keySeparator
        try write(item, layout, level + 1, to: &text)
      }
      try end(members.isEmpty, layout, level, to: &text)
      text += "}"
    default: throw fault("\(value.kindName) cannot be written as JSON")
    }
    if text.utf8.count > limits.textByteCount { try charge(text: text.utf8.count) }
  }

  private func startItem(
    _ index: Int, _ layout: Layout, _ level: Int, to text: inout String
  ) throws(TemplateError) {
    if index > 0 { text += layout.itemSeparator }
    if let indentation = layout.indentation { text += "\n" + (try repeating(indentation, level + 1)) }
  }

  private func end(_ isEmpty: Bool, _ layout: Layout, _ level: Int, to text: inout String)
    throws(TemplateError)
  {
    if !isEmpty, let indentation = layout.indentation { text += "\n" + (try repeating(indentation, level)) }
  }

  private func write(_ string: String, _ layout: Layout, to text: inout String) throws(TemplateError) {
    try charge(text: string.utf8.count)
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{8}": text += "\\b"
      case "\u{C}": text += "\\f"
      default:
        if scalar.value < 0x20 || (layout.isASCII && scalar.value > 0x7E) {
          for unit in UTF16.encode(scalar) ?? UTF16.EncodedScalar() {
            let digits = String(unit, radix: 16)
            text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
          }
        } else {
          text.unicodeScalars.append(scalar)
        }
      }
    }
    text += "\""
  }
}
