import Foundation
import Synchronization

/// One line on standard error that says what takes so long. Shown only on a terminal and only after a second.
final class ProgressLine: Sendable {
  private struct State {
    var text = ""
    var isShown = false
    var isEnded = false
    var lastWrite = ContinuousClock.now
  }

  private let state: Mutex<State>
  private let start = ContinuousClock.now
  private let isEnabled: Bool
  private let ticker: Mutex<Task<Void, Never>?> = Mutex(nil)

  /// Starts the clock.
  init(_ text: String) {
    state = Mutex(State(text: text))
    isEnabled =
      StandardStream.error.isTerminal && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    guard isEnabled else { return }
    // Steps that report nothing in between still show how long they have taken.
    ticker.withLock {
      $0 = Task { [weak self] in
        while !Task.isCancelled {
          try? await Task.sleep(for: .milliseconds(500))
          self?.refresh(force: true)
        }
      }
    }
  }

  /// Says how far things are.
  func update(_ text: String) {
    guard isEnabled else { return }
    state.withLock { $0.text = text }
    refresh(force: false)
  }

  /// Removes the line. Nothing is shown afterwards.
  func end() {
    guard isEnabled else { return }
    ticker.withLock { $0?.cancel() }
    state.withLock { state in
      if state.isShown { try? StandardStream.error.write("\r\u{1B}[K") }
      state.isShown = false
      state.isEnded = true
    }
  }

  private func refresh(force: Bool) {
    let now = ContinuousClock.now
    guard now - start > .seconds(1) else { return }
    state.withLock { state in
      guard !state.isEnded, force || now - state.lastWrite > .milliseconds(100) else { return }
      state.lastWrite = now
      state.isShown = true
      let seconds = Int((now - start) / .seconds(1))
      try? StandardStream.error.write("\r\u{1B}[K\(state.text) … \(seconds) s")
    }
  }
}
