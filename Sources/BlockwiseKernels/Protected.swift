internal import Glibc

/// A value behind a lock of the operating system.
///
/// The standard library's `Mutex` would do, but the thread sanitizer does not see its locks, and takes what tasks on
/// different threads do under them for races.
package final class Protected<Value>: @unchecked Sendable {
  // Unchecked because the lock is what makes it so.
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private var value: Value

  /// Protects a value that nobody else has.
  package init(_ value: sending Value) {
    self.value = value
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Runs `body` with the value while nobody else does.
  package func withLock<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&value)
  }
}
