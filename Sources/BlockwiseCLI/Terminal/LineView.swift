/// Shows a ``LineEditor`` on a terminal: what to write so that the screen shows its text and cursor.
package struct LineView: Sendable {
  /// Before the first line.
  package var prompt: String
  /// Before all others, of the same width.
  package var continuation: String
  /// The row of the cursor, counted from the first row that is shown.
  private var cursorRow = 0

  /// A view that has not drawn anything yet.
  package init(prompt: String, continuation: String) {
    self.prompt = prompt
    self.continuation = continuation
  }

  /// What the terminal has to be sent.
  ///
  /// - Parameters:
  ///   - width: columns of the terminal.
  ///   - height: rows of the terminal; of a longer text the part around the cursor is shown.
  package mutating func draw(_ editor: LineEditor, width: Int, height: Int) -> String {
    let width = max(width, 8)
    let height = max(height, 2)
    var rows = [""]
    var column = 0
    var cursor = (row: 0, column: 0)
    func place(_ text: String) {
      for character in text {
        let size = Self.width(of: character)
        if column + size > width {
          rows.append("")
          column = 0
        }
        rows[rows.count - 1].append(character)
        column += size
      }
    }
    place(prompt)
    for (index, character) in editor.characters.enumerated() {
      if index == editor.cursor { cursor = (rows.count - 1, column) }
      if character.isNewline {
        rows.append("")
        column = 0
        place(continuation)
      } else if character == "\t" {
        place(String(repeating: " ", count: 4 - column % 4))
      } else {
        place(String(character))
      }
    }
    if editor.cursor == editor.characters.count { cursor = (rows.count - 1, column) }
    if cursor.column >= width {
      // The cursor stands behind the last column: in front of the next row.
      if cursor.row == rows.count - 1 { rows.append("") }
      cursor = (cursor.row + 1, 0)
    }

    var output = cursorRow > 0 ? "\u{1B}[\(cursorRow)A" : ""
    output += "\r\u{1B}[J"
    let first = min(max(0, cursor.row - height + 1), max(0, rows.count - height))
    let shown = rows[first..<min(rows.count, first + height)]
    output += shown.joined(separator: "\r\n")
    let below = shown.count - 1 - (cursor.row - first)
    if below > 0 { output += "\u{1B}[\(below)A" }
    output += "\r" + (cursor.column > 0 ? "\u{1B}[\(cursor.column)C" : "")
    cursorRow = cursor.row - first
    return output
  }

  /// What the terminal has to be sent to go on below the text, and forgets what was drawn.
  package mutating func finish(_ editor: LineEditor, width: Int, height: Int) -> String {
    var end = editor
    while end.cursor < end.characters.count { _ = end.handle(.right) }
    let output = draw(end, width: width, height: height)
    cursorRow = 0
    return output + "\r\n"
  }

  /// Forgets what was drawn, after the screen was cleared.
  package mutating func reset() { cursorRow = 0 }

  /// Columns that a character takes: two for wide ones, none for control characters.
  static func width(of character: Character) -> Int {
    var width = 0
    for scalar in character.unicodeScalars {
      switch scalar.value {
      case 0..<0x20, 0x7F..<0xA0: continue
      case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF,
        0xFE30...0xFE6F,
        0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1FAFF,
        0x20000...0x3FFFD:
        width = 2
      default:
        let category = scalar.properties.generalCategory
        let joins = category == .nonspacingMark || category == .enclosingMark || category == .format
        if !joins { width = max(width, 1) }
      }
    }
    return width
  }
}
