internal import Synchronization

/// Counts passes and their rows.
final class PassCounter: Sendable {
  private let state = Mutex((passes: 0, rows: 0))

  var counts: (passes: Int, rows: Int) { state.withLock { $0 } }

  func add(rows: Int) {
    state.withLock { state in
      state.passes += 1
      state.rows += rows
    }
  }
}
