import Foundation

/// What is typed in a chat: a message or a command.
package enum ChatInput: Sendable, Hashable {
  case message(String)
  case help
  case quit
  case reset
  case save(String)
  case load(String)
  /// Nil asks what the instructions are, an empty text removes them.
  case system(String?)
  /// Nothing but white space.
  case nothing
  /// What is wrong with a command.
  case mistake(String)

  /// Reads what was typed: what begins with a slash is a command, with two slashes a message with one.
  package init(_ text: String) {
    let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !trimmed.isEmpty else {
      self = .nothing
      return
    }
    guard trimmed.hasPrefix("/") else {
      self = .message(text)
      return
    }
    if trimmed.hasPrefix("//") {
      self = .message(String(trimmed.dropFirst()))
      return
    }
    let word = trimmed.prefix { !$0.isWhitespace }
    let rest = trimmed.dropFirst(word.count).trimmingCharacters(in: .whitespacesAndNewlines)
    switch (word, rest.isEmpty) {
    case ("/help", true), ("/?", true): self = .help
    case ("/quit", true), ("/exit", true), ("/bye", true): self = .quit
    case ("/reset", true), ("/clear", true): self = .reset
    case ("/save", false): self = .save(Self.expanded(rest))
    case ("/load", false): self = .load(Self.expanded(rest))
    case ("/save", true), ("/load", true): self = .mistake("\(word) needs a file")
    case ("/system", _): self = .system(rest.isEmpty ? nil : rest == "-" ? "" : rest)
    case ("/help", false), ("/quit", false), ("/exit", false), ("/bye", false), ("/reset", false),
      ("/clear", false), ("/?", false):
      self = .mistake("\(word) takes nothing behind it")
    default:
      self = .mistake("there is no command \(word); /help lists them, and // begins a message with a slash")
    }
  }

  /// A path as shells understand it.
  private static func expanded(_ path: String) -> String { (path as NSString).expandingTildeInPath }

  static let helpText = """
    /help          this list
    /system TEXT   set the instructions before the conversation; alone shows them, - removes them
    /reset         forget the conversation, keep the instructions
    /save FILE     write the messages as JSON
    /load FILE     go on with messages from JSON
    /quit          end, as Ctrl-D does
    //...          a message that begins with a slash

    A backslash at the end of a line, Alt-Enter or Ctrl-J begin another line. Up and down call earlier messages back.
    Ctrl-C stops an answer or clears what is typed.
    """
}
