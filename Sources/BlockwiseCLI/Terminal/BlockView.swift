import Blockwise
import Foundation

/// Shows on a terminal how an answer settles: decided tokens as text, open ones as dots, drawn again after every pass.
final class BlockView {
  private let model: LanguageModel
  private let prompt: [TokenID]
  private var lineCount = 0
  /// Frames closer than this are skipped: small models fill blocks faster than anybody can look.
  private let interval = Duration.milliseconds(40)
  private var lastFrame: ContinuousClock.Instant?

  init(model: LanguageModel, prompt: [TokenID]) {
    self.model = model
    self.prompt = prompt
  }

  /// Draws the answer as it stands.
  func show(_ canvas: [TokenID]) {
    let now = ContinuousClock.now
    if let lastFrame, now - lastFrame < interval { return }
    lastFrame = now
    var text = ""
    var run: [TokenID] = []
    func finishRun() {
      text += model.tokenizer.decode(run)
      run = []
    }
    for token in canvas {
      if token == model.traits.maskToken {
        finishRun()
        text += "·"
      } else if !model.endTokens.contains(token) {
        run.append(token)
      }
    }
    finishRun()
    clear()
    let lines = Self.wrapped(text, width: Self.width)
    lineCount = lines.count
    StandardStream.error.note(lines.joined(separator: "\n"))
  }

  /// Removes what was drawn.
  func clear() {
    guard lineCount > 0 else { return }
    try? StandardStream.error.write("\u{1B}[\(lineCount)A\r\u{1B}[J")
    lineCount = 0
  }

  private static var width: Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// The last lines of the text, at most what a screen shows, each of them less than `width` columns. Control characters are
  /// drawn as a symbol, so that no answer moves the cursor.
  static func wrapped(_ text: String, width: Int, height: Int = 20) -> [String] {
    var lines: [String] = []
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      var (row, columns) = ("", 0)
      for character in line {
        let isControl = character.unicodeScalars.contains { $0.properties.generalCategory == .control }
        let shown: Character = isControl ? "␣" : character
        let size = LineView.width(of: shown)
        if columns + size > max(1, width - 1), !row.isEmpty {
          lines.append(row)
          (row, columns) = ("", 0)
        }
        row.append(shown)
        columns += size
      }
      lines.append(row)
    }
    return lines.suffix(height)
  }
}
