import Dispatch
import Foundation
import Synchronization

/// What Ctrl-C, a closed terminal or a request to end does. While something runs, the first one asks it to stop and the
/// second one ends the program; while nothing runs, the first one ends it.
///
/// One object serves everything that runs one after the other: giving a signal back and taking it over again loses it.
final class Interrupt: Sendable {
  // Dispatch does not declare it so, but sources may be used from any thread.
  nonisolated(unsafe) private let sources: [any DispatchSourceSignal]
  private static let signals = [SIGINT, SIGTERM, SIGHUP]
  /// Signals since something runs; nil while nothing does.
  private let count: Mutex<Int?>
  private let isEndRequested = Atomic<Bool>(false)

  /// Takes SIGINT, SIGTERM and SIGHUP over.
  /// - Parameters:
  ///   - isRunning: whether something runs already.
  ///   - stop: asks it to stop; called at most once for each ``begin()``.
  init(isRunning: Bool = true, stop: @escaping @Sendable () -> Void) {
    count = Mutex(isRunning ? 0 : nil)
    sources = Self.signals.map {
      // The source sees the signal only when the default action is off.
      signal($0, SIG_IGN)
      return DispatchSource.makeSignalSource(signal: $0, queue: .global())
    }
    for (source, signal) in zip(sources, Self.signals) {
      source.setEventHandler { [weak self] in
        guard let self else { return }
        if signal != SIGINT { self.isEndRequested.store(true, ordering: .relaxed) }
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
  }

  /// Something begins to run.
  func begin() { count.withLock { $0 = 0 } }

  /// What was running is at its end.
  func end() { count.withLock { $0 = nil } }

  /// Whether what runs was asked to stop.
  var isInterrupted: Bool { count.withLock { $0 ?? 0 } > 0 }

  /// Whether the whole program was asked to end, by more than Ctrl-C: it should once what runs has stopped.
  var isEnding: Bool { isEndRequested.load(ordering: .relaxed) }

  deinit {
    for source in sources { source.cancel() }
    for number in Self.signals { signal(number, SIG_DFL) }
  }
}
