import Dispatch
import Foundation
import Synchronization

/// What Ctrl-C does while it is alive: the first one calls a handler, the second one ends the program at once.
final class Interrupt: Sendable {
  // Dispatch does not declare it so, but sources may be used from any thread.
  nonisolated(unsafe) private let source: any DispatchSourceSignal
  private let count = Mutex(0)

  /// Takes SIGINT over.
  init(_ first: @escaping @Sendable () -> Void) {
    // The source sees the signal only when the default action is off.
    signal(SIGINT, SIG_IGN)
    source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
    source.setEventHandler { [weak self] in
      guard let self else { return }
      let number = self.count.withLock { count in
        count += 1
        return count
      }
      if number == 1 { first() } else { _exit(CommandFailure.interrupted) }
    }
    source.resume()
  }

  /// Whether Ctrl-C was pressed.
  var isInterrupted: Bool { count.withLock { $0 > 0 } }

  deinit {
    source.cancel()
    signal(SIGINT, SIG_DFL)
  }
}
