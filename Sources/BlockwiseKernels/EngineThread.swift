internal import Glibc

/// One thread that runs jobs in the order they were given, outside Swift's cooperative pool.
///
/// Model passes run here: they take milliseconds to seconds and would otherwise starve every other task.
package final class EngineThread: Sendable {
  private let queue = EngineQueue()
  private let thread: pthread_t

  /// - Throws: ``EngineThreadError/unavailable`` when the machine refuses another thread.
  package init() throws(EngineThreadError) {
    let queue = queue
    guard let thread = startThread({ queue.serve() }) else { throw .unavailable }
    self.thread = thread
  }

  /// Jobs already given are finished first.
  deinit {
    queue.stop()
    if pthread_equal(pthread_self(), thread) != 0 {
      // The last reference went away inside a job; a thread cannot wait for itself.
      pthread_detach(thread)
    } else {
      pthread_join(thread, nil)
    }
  }

  /// Runs `body` on the thread and returns its result; the waiting task blocks no thread.
  ///
  /// Cancellation of the task does not interrupt a job that has begun; check for it between jobs.
  package func run<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
  ) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      queue.append { continuation.resume(with: Swift.Result { try body() }) }
    }
  }
}

/// Why there is no engine thread.
package enum EngineThreadError: Error, Hashable, CustomStringConvertible {
  /// The machine refused another thread.
  case unavailable

  package var description: String { "the engine's thread could not be started" }
}

private final class EngineQueue: @unchecked Sendable {
  // Unchecked: the fields are touched under the condition's mutex only.
  private let condition = Condition()
  private var jobs: [@Sendable () -> Void] = []
  private var isStopping = false

  func append(_ job: @escaping @Sendable () -> Void) {
    condition.update { jobs.append(job) }
  }

  func stop() {
    condition.update { isStopping = true }
  }

  func serve() {
    while true {
      var batch: [@Sendable () -> Void] = []
      condition.wait {
        guard !jobs.isEmpty || isStopping else { return false }
        swap(&batch, &jobs)
        return true
      }
      if batch.isEmpty { return }
      for job in batch { job() }
    }
  }
}
