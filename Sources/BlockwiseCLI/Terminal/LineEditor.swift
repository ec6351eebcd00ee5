/// A text that is being typed, of one or several lines, with what was typed before.
///
/// Knows keys and text and nothing of terminals: ``LineView`` shows it, ``TerminalInput`` feeds it.
package struct LineEditor: Sendable {
  /// What a key led to.
  package enum Outcome: Sendable, Hashable {
    /// The text or the cursor may have changed.
    case editing
    /// The text is complete.
    case submitted(String)
    /// Ctrl-C in an empty text.
    case interrupted
    /// Ctrl-D in an empty text.
    case ended
    case clearScreen
    case suspend
  }

  /// The characters, line ends among them.
  package private(set) var characters: [Character] = []
  /// The place between characters, from 0.
  package private(set) var cursor = 0
  /// Earlier texts, the oldest first.
  package private(set) var history: [String]
  /// Which of them is shown; their number stands for the text being typed.
  private var place: Int
  /// The text being typed while an earlier one is shown.
  private var draft: [Character] = []

  /// An empty text.
  package init(history: [String] = []) {
    self.history = history
    place = history.count
  }

  /// The text.
  package var text: String { String(characters) }

  /// Takes one key.
  package mutating func handle(_ key: Key) -> Outcome {
    switch key {
    case .text(let text), .paste(let text): insert(text)
    case .newLine: insert("\n")
    case .enter: return enter()
    case .backspace: remove(max(0, cursor - 1)..<cursor)
    case .delete: remove(cursor..<min(cursor + 1, characters.count))
    case .left: cursor = max(0, cursor - 1)
    case .right: cursor = min(characters.count, cursor + 1)
    case .home: cursor = lineStart
    case .end: cursor = lineEnd
    case .up: up()
    case .down: down()
    case .wordLeft: cursor = wordStart
    case .wordRight: cursor = wordEnd
    case .killToEnd: remove(cursor..<(lineEnd == cursor ? min(cursor + 1, characters.count) : lineEnd))
    case .killToStart: remove(lineStart..<cursor)
    case .killWord: remove(wordStart..<cursor)
    case .interrupt:
      guard !characters.isEmpty else { return .interrupted }
      set([])
      place = history.count
    case .endOfInput:
      guard !characters.isEmpty else { return .ended }
      remove(cursor..<min(cursor + 1, characters.count))
    case .clearScreen: return .clearScreen
    case .suspend: return .suspend
    case .unknown: break
    }
    return .editing
  }

  /// Adds a text to those that can be called back.
  package mutating func remember(_ text: String) {
    if !text.isEmpty, history.last != text { history.append(text) }
    place = history.count
  }

  // MARK: Editing

  private mutating func insert(_ text: String) {
    // A scalar that joins the character before it must not be counted as one of its own.
    let head = String(characters[..<cursor]) + text
    let tail = characters[cursor...]
    let joined = Array(head)
    characters = Array(head + String(tail))
    cursor = min(joined.count, characters.count)
  }

  private mutating func remove(_ range: Range<Int>) {
    characters.removeSubrange(range)
    cursor = range.lowerBound
  }

  private mutating func set(_ text: [Character]) {
    characters = text
    cursor = text.count
  }

  private mutating func enter() -> Outcome {
    // A backslash at the end of the line asks for another one.
    if cursor > 0, cursor == lineEnd, characters[cursor - 1] == "\\" {
      characters[cursor - 1] = "\n"
      return .editing
    }
    let text = text
    remember(text)
    set([])
    draft = []
    return .submitted(text)
  }

  // MARK: Lines and words

  private var lineStart: Int { (characters[..<cursor].lastIndex(of: "\n") ?? -1) + 1 }
  private var lineEnd: Int { characters[cursor...].firstIndex(of: "\n") ?? characters.count }

  private var wordStart: Int {
    var place = cursor
    while place > 0, !isWord(place - 1) { place -= 1 }
    while place > 0, isWord(place - 1) { place -= 1 }
    return place
  }

  private var wordEnd: Int {
    var place = cursor
    while place < characters.count, !isWord(place) { place += 1 }
    while place < characters.count, isWord(place) { place += 1 }
    return place
  }

  private func isWord(_ index: Int) -> Bool { !characters[index].isWhitespace }

  // MARK: Up and down

  private mutating func up() {
    let start = lineStart
    guard start == 0 else {
      let column = cursor - start
      cursor = start - 1
      cursor = min(lineStart + column, start - 1)
      return
    }
    guard place > 0 else { return }
    if place == history.count { draft = characters }
    place -= 1
    set(Array(history[place]))
  }

  private mutating func down() {
    let end = lineEnd
    guard end == characters.count else {
      let column = cursor - lineStart
      cursor = end + 1
      cursor = min(end + 1 + column, lineEnd)
      return
    }
    guard place < history.count else { return }
    place += 1
    set(place == history.count ? draft : Array(history[place]))
  }
}
