import Dispatch
import Foundation
import Synchronization

/// What Ctrl-C, a closed terminal or a request to end does while it is alive: the first one calls a handler, the second
/// one ends the program at once.
final class Interrupt: Sendable {
  // Dispatch does not declare it so, but sources may be used from any thread.
  nonisolated(unsafe) private let sources: [any DispatchSourceSignal]
  private static let signals = [SIGINT, SIGTERM, SIGHUP]
  private let count = Mutex(0)

  /// Takes SIGINT, SIGTERM and SIGHUP over.
  init(_ first: @escaping @Sendable () -> Void) {
    sources = Self.signals.map {
      // The source sees the signal only when the default action is off.
      signal($0, SIG_IGN)
      return DispatchSource.makeSignalSource(signal: $0, queue: .global())
    }
    for source in sources {
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
  }

  /// Whether Ctrl-C was pressed.
  var isInterrupted: Bool { count.withLock { $0 > 0 } }

  deinit {
    for source in sources { source.cancel() }
    for number in Self.signals { signal(number, SIG_DFL) }
  }
}
