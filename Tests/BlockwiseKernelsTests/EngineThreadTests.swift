import BlockwiseKernels
import Dispatch
import Glibc
import Synchronization
import Testing

@Suite struct EngineThreadTests {
  private struct Refusal: Error, Equatable { let number: Int }

  private final class Log: Sendable {
    let entries = Mutex<[Int]>([])
  }

  @Test func `jobs return results and errors`() async throws {
    let thread = try EngineThread()
    #expect(try await thread.run { 6 * 7 } == 42)
    await #expect(throws: Refusal(number: 3)) { try await thread.run { throw Refusal(number: 3) } }
    #expect(try await thread.run { "still here" } == "still here")
  }

  @Test func `jobs of one task run in order and one at a time`() async throws {
    let thread = try EngineThread()
    let log = Log()
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask {
          for step in 0..<50 {
            try? await thread.run { log.entries.withLock { $0.append(task * 100 + step) } }
          }
        }
      }
    }
    let entries = log.entries.withLock { $0 }
    #expect(entries.count == 400)
    for task in 0..<8 {
      #expect(entries.filter { $0 / 100 == task } == (0..<50).map { task * 100 + $0 })
    }
  }

  @Test func `a thread released inside its own job ends`() async throws {
    final class Box: Sendable {
      let thread = Mutex<EngineThread?>(nil)
    }
    let box = Box()
    let thread = try EngineThread()
    box.thread.withLock { $0 = thread }
    let result = try await thread.run {
      box.thread.withLock { $0 = nil }
      return 1
    }
    #expect(result == 1)
  }

  @Test func `a task that never leaves the thread lets others in between its jobs`() async throws {
    let thread = try EngineThread()
    let name = try await thread.run { pthread_self() }
    let log = Log()
    let host = Task(executorPreference: thread) {
      let guest = Task(executorPreference: thread) { log.entries.withLock { $0.append(1) } }
      var turns = 0
      var isAlone = true
      // A guest that is never let in would let this end without it.
      while isAlone, turns < 1_000_000 {
        isAlone = try await thread.run { log.entries.withLock { $0.isEmpty } }
        turns += 1
      }
      let isOnThread = pthread_equal(pthread_self(), name) != 0
      await guest.value
      return (isAlone, isOnThread)
    }
    let (isAlone, isOnThread) = try await host.value
    #expect(!isAlone && isOnThread)
  }
}
