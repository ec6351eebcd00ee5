import Dispatch
import Foundation
import Synchronization

/// What Ctrl-C does in a conversation: it stops the answer, a second time it ends the program; between answers it ends
/// the program at once.
///
/// One handler serves all answers: giving SIGINT back and taking it over again loses signals.
final class AnswerInterrupt: Sendable {
  // Dispatch does not declare it so, but sources may be used from any thread.
  nonisolated(unsafe) private let source: any DispatchSourceSignal
  /// Signals during the running answer; nil between answers.
  private let count: Mutex<Int?> = Mutex(nil)

  /// Takes SIGINT over.
  init(stop: @escaping @Sendable () -> Void) {
    // The source sees the signal only when the default action is off.
    signal(SIGINT, SIG_IGN)
    source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
    source.setEventHandler { [weak self] in
      guard let self else { return }
      let number = self.count.withLock { count -> Int? in
        count = count.map { $0 + 1 }
        return count
      }
      if number == 1 { return stop() }
      RawMode.end()
      _exit(CommandFailure.interrupted)
    }
    source.resume()
  }

  /// An answer begins.
  func begin() { count.withLock { $0 = 0 } }

  /// The answer is at its end.
  func end() { count.withLock { $0 = nil } }
}
