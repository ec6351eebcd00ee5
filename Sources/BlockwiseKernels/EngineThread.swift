internal import Glibc

/// One thread that runs jobs in the order they were given, outside Swift's cooperative pool.
///
/// Model passes run here: they take milliseconds to seconds and would otherwise starve every other task. As a task executor
/// it also runs decoders, which then go from pass to pass without waking another thread.
package final class EngineThread: TaskExecutor {
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
    if isCurrent {
      // The last reference went away inside a job; a thread cannot wait for itself.
      pthread_detach(thread)
    } else {
      pthread_join(thread, nil)
    }
  }

  private var isCurrent: Bool { pthread_equal(pthread_self(), thread) != 0 }

  /// Runs a part of a task that prefers this executor.
  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    let executor = asUnownedTaskExecutor()
    // The task keeps the executor alive.
    queue.append { job.runSynchronously(on: executor) }
  }

  /// Runs `body` on the thread and returns its result; the waiting task blocks no thread. On the thread itself, where a
  /// task that prefers it runs, `body` is called at once.
  ///
  /// Cancellation of the task does not interrupt a job that has begun; check for it between jobs.
  package func run<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
  ) async throws -> Result {
    if isCurrent {
      // Others take their turn between the passes of a task that never leaves the thread.
      if queue.isAwaited { await Task.yield() }
      // Wherever the task goes on: a job runs on this thread only.
      if isCurrent { return try body() }
    }
    return try await withCheckedThrowingContinuation { continuation in
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

  /// Whether a job waits for the one that runs.
  var isAwaited: Bool { condition.read { !jobs.isEmpty } }

  func serve() {
    while true {
      var next: (@Sendable () -> Void)?
      condition.wait {
        guard !jobs.isEmpty || isStopping else { return false }
        next = jobs.isEmpty ? nil : jobs.removeFirst()
        return true
      }
      guard let next else { return }
      next()
    }
  }
}
