import Foundation

/// Reads texts from a terminal with editing: the only part of the line editor that touches a terminal.
///
/// The terminal is in raw mode only while a text is typed; however the program ends, it is given back as it was.
struct TerminalInput {
  enum Line {
    case text(String)
    /// Ctrl-C in an empty text.
    case interrupted
    /// Ctrl-D, or the terminal is gone.
    case ended
  }

  private var editor: LineEditor
  private let prompt: String
  private let continuation: String

  init(prompt: String, continuation: String, history: [String]) {
    editor = LineEditor(history: history)
    self.prompt = prompt
    self.continuation = continuation
  }

  /// Whether a person sits in front of both ends and the terminal understands control sequences.
  static var isPossible: Bool {
    isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
      && ProcessInfo.processInfo.environment["TERM"].map { $0 != "dumb" && !$0.isEmpty } ?? false
  }

  /// The next text.
  mutating func read() throws -> Line {
    guard RawMode.begin() else { return readPlainly() }
    var view = LineView(prompt: prompt, continuation: continuation)
    var decoder = KeyDecoder()
    defer {
      try? StandardStream.output.write("\u{1B}[?2004l")
      RawMode.end()
    }
    try StandardStream.output.write("\u{1B}[?2004h")
    try draw(&view)
    while true {
      guard let key = try nextKey(&decoder) else { return .ended }
      let before = editor
      switch editor.handle(key) {
      case .editing: try draw(&view)
      case .submitted(let text):
        // What was typed stays on the screen; the editor is empty already.
        var typed = before
        while typed.cursor < typed.characters.count { _ = typed.handle(.right) }
        try StandardStream.output.write(view.finish(typed, width: size.width, height: size.height))
        return .text(text)
      case .interrupted:
        try StandardStream.output.write(view.finish(editor, width: size.width, height: size.height))
        return .interrupted
      case .ended:
        try StandardStream.output.write(view.finish(editor, width: size.width, height: size.height))
        return .ended
      case .clearScreen:
        view.reset()
        try StandardStream.output.write("\u{1B}[H\u{1B}[2J")
        try draw(&view)
      case .suspend:
        try StandardStream.output.write("\u{1B}[?2004l\r\n")
        RawMode.end()
        raise(SIGTSTP)
        _ = RawMode.begin()
        view.reset()
        try StandardStream.output.write("\u{1B}[?2004h")
        try draw(&view)
      }
    }
  }

  private func draw(_ view: inout LineView) throws {
    try StandardStream.output.write(view.draw(editor, width: size.width, height: size.height))
  }

  private func nextKey(_ decoder: inout KeyDecoder) throws -> Key? {
    while true {
      // An escape alone is a key too, which only shows when nothing follows.
      var poller = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
      let ready = poll(&poller, 1, decoder.isWaiting ? 50 : -1)
      if ready == 0 {
        if let key = decoder.flush() { return key }
        continue
      }
      if ready < 0, errno == EINTR { continue }
      var byte: UInt8 = 0
      let count = Foundation.read(STDIN_FILENO, &byte, 1)
      if count == 1 {
        if let key = decoder.feed(byte) { return key }
      } else if count == 0 || errno != EINTR {
        return nil
      }
    }
  }

  /// A terminal that cannot be put into raw mode edits lines by itself.
  private func readPlainly() -> Line {
    try? StandardStream.output.write(prompt)
    return readLine().map { .text($0) } ?? .ended
  }

  private var size: (width: Int, height: Int) {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
      return (80, 24)
    }
    return (Int(size.ws_col), Int(size.ws_row))
  }
}

/// The terminal without editing and signals of its own.
enum RawMode {
  // Set before the handler can run, and read by nothing else but it and this file, on one thread at a time.
  nonisolated(unsafe) private static var saved = termios()
  nonisolated(unsafe) private static var isOn: sig_atomic_t = 0

  static func begin() -> Bool {
    var state = termios()
    guard tcgetattr(STDIN_FILENO, &state) == 0 else { return false }
    saved = state
    cfmakeraw(&state)
    // Output keeps its processing: other threads may write whole lines.
    state.c_oflag |= tcflag_t(OPOST)
    guard tcsetattr(STDIN_FILENO, TCSADRAIN, &state) == 0 else { return false }
    isOn = 1
    for number in [SIGTERM, SIGHUP] {
      signal(number) { number in
        RawMode.end()
        _exit(128 + number)
      }
    }
    return true
  }

  static func end() {
    guard isOn != 0 else { return }
    isOn = 0
    tcsetattr(STDIN_FILENO, TCSADRAIN, &saved)
    for number in [SIGTERM, SIGHUP] { signal(number, SIG_DFL) }
  }
}
