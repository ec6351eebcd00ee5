/// What a person does at the keyboard.
package enum Key: Sendable, Hashable {
  /// Characters that were typed.
  case text(String)
  /// Text that was pasted as a whole; line ends in it are part of it.
  case paste(String)
  case enter
  /// A line end in the text (Alt-Enter, Ctrl-J).
  case newLine
  case backspace
  case delete
  case left
  case right
  case up
  case down
  case home
  case end
  case wordLeft
  case wordRight
  case killToEnd
  case killToStart
  case killWord
  case interrupt
  case endOfInput
  case suspend
  case clearScreen
  /// A key that means nothing here.
  case unknown
}

/// Turns the bytes that a terminal sends into keys.
package struct KeyDecoder: Sendable {
  private enum State {
    case ground
    case character(remaining: Int)
    case escape
    /// Behind `ESC [` or `ESC O`: parameters so far.
    case sequence
    case paste
  }

  private var state = State.ground
  private var bytes: [UInt8] = []
  private static let pasteEnd = Array("\u{1B}[201~".utf8)

  /// A decoder between two keys.
  package init() {}

  /// Whether an escape has come that could be a key of its own or the beginning of one.
  package var isWaiting: Bool {
    switch state {
    case .ground, .paste: false
    case .character, .escape, .sequence: true
    }
  }

  /// Takes one byte; a key when it completes one.
  package mutating func feed(_ byte: UInt8) -> Key? {
    switch state {
    case .ground: return begin(byte)
    case .character(let remaining):
      guard byte & 0xC0 == 0x80 else {
        // Not what the first byte promised: it is dropped, and this byte stands for itself.
        reset()
        return begin(byte)
      }
      bytes.append(byte)
      if remaining > 1 {
        state = .character(remaining: remaining - 1)
        return nil
      }
      let text = String(validating: bytes, as: UTF8.self)
      reset()
      return text.map { .text($0) } ?? .unknown
    case .escape: return afterEscape(byte)
    case .sequence:
      bytes.append(byte)
      if (0x40...0x7E).contains(byte) {
        let sequence = String(decoding: bytes, as: UTF8.self)
        reset()
        if sequence == "200~" {
          state = .paste
          return nil
        }
        return Self.key(sequence)
      }
      // Longer than any sequence of a terminal.
      if bytes.count > 32 { return flush() }
      return nil
    case .paste:
      bytes.append(byte)
      guard byte == UInt8(ascii: "~"), bytes.suffix(Self.pasteEnd.count).elementsEqual(Self.pasteEnd) else {
        return nil
      }
      bytes.removeLast(Self.pasteEnd.count)
      let text = String(decoding: bytes, as: UTF8.self)
      reset()
      return .paste(Self.cleaned(text))
    }
  }

  /// Nothing more has come for a while: what is open was all.
  package mutating func flush() -> Key? {
    guard isWaiting else { return nil }
    reset()
    return .unknown
  }

  private mutating func reset() {
    state = .ground
    bytes = []
  }

  private mutating func begin(_ byte: UInt8) -> Key? {
    switch byte {
    case 0x01: return .home
    case 0x02: return .left
    case 0x03: return .interrupt
    case 0x04: return .endOfInput
    case 0x05: return .end
    case 0x06: return .right
    case 0x08, 0x7F: return .backspace
    case 0x09: return .text("\t")
    case 0x0A: return .newLine
    case 0x0B: return .killToEnd
    case 0x0C: return .clearScreen
    case 0x0D: return .enter
    case 0x0E: return .down
    case 0x10: return .up
    case 0x15: return .killToStart
    case 0x17: return .killWord
    case 0x1A: return .suspend
    case 0x1B:
      state = .escape
      return nil
    case 0x20..<0x7F: return .text(String(Character(Unicode.Scalar(byte))))
    case 0xC2...0xF4:
      bytes = [byte]
      state = .character(remaining: byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3)
      return nil
    default: return .unknown
    }
  }

  private mutating func afterEscape(_ byte: UInt8) -> Key? {
    switch byte {
    case UInt8(ascii: "["), UInt8(ascii: "O"):
      state = .sequence
      return nil
    case 0x0D, 0x0A:
      reset()
      return .newLine
    case UInt8(ascii: "b"):
      reset()
      return .wordLeft
    case UInt8(ascii: "f"):
      reset()
      return .wordRight
    case 0x7F, 0x08:
      reset()
      return .killWord
    case 0x1B: return nil  // Escape twice: the second one may begin something.
    default:
      reset()
      return .unknown
    }
  }

  /// The key behind the rest of a sequence.
  private static func key(_ sequence: String) -> Key {
    switch sequence {
    case "A": .up
    case "B": .down
    case "C": .right
    case "D": .left
    case "H", "1~", "7~": .home
    case "F", "4~", "8~": .end
    case "3~": .delete
    case "1;5C", "1;3C", "5C": .wordRight
    case "1;5D", "1;3D", "5D": .wordLeft
    case "13;2u", "13;3u", "27;2;13~": .newLine
    default: .unknown
    }
  }

  /// Pasted text with line feeds as line ends and without what would control a terminal.
  private static func cleaned(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    var previous: Unicode.Scalar = " "
    for scalar in text.unicodeScalars {
      if scalar == "\r" {
        result.append("\n")
      } else if scalar == "\n" {
        if previous != "\r" { result.append("\n") }
      } else if scalar == "\t" || scalar.properties.generalCategory != .control {
        result.append(scalar)
      }
      previous = scalar
    }
    return String(result)
  }
}
