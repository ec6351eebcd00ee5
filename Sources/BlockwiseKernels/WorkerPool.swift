internal import CBlockwiseKernels
internal import Glibc
internal import Synchronization

/// The engine's compute threads: the thread that calls ``run(_:_:)`` and `threadCount − 1` parked helpers.
///
/// Work is split into small items that threads claim one by one, so a slow or late helper costs at most one item:
/// the caller takes whatever is left and waits only for items that somebody has begun. Helpers spin for a few hundred
/// microseconds after a job and then sleep.
///
/// One thread at a time may call `run`, and an item must not call `run` of its own pool.
package final class WorkerPool: Sendable {
  /// Threads that work on a job, the caller included.
  package let threadCount: Int
  private let state: WorkerPoolState
  private let threads: [pthread_t]

  /// - Precondition: `threadCount` is positive. If the machine refuses threads the pool has fewer.
  package init(threadCount: Int) {
    precondition(threadCount > 0, "thread count \(threadCount)")
    let state = WorkerPoolState(threadCount: threadCount)
    var threads: [pthread_t] = []
    for worker in 1..<max(1, threadCount) {
      guard let thread = startThread({ state.serve(worker: worker) }) else { break }
      threads.append(thread)
    }
    self.state = state
    self.threads = threads
    self.threadCount = threads.count + 1
  }

  deinit {
    state.stop()
    for thread in threads { pthread_join(thread, nil) }
  }

  /// A job that is shared costs the caller about a microsecond, and what others have computed comes from their caches.
  package static let leastSharedNanoseconds = 3000
  /// To be claimed for itself an item should take so long.
  private static let leastItemNanoseconds = 1500

  /// Whether threads share a job that takes one of them so long.
  package func isShared(nanoseconds: Int) -> Bool {
    !threads.isEmpty && nanoseconds >= Self.leastSharedNanoseconds
  }

  /// Into how many items work that can be cut anywhere is best cut: several for every thread, none too small.
  package func itemCount(nanoseconds: Int) -> Int {
    guard isShared(nanoseconds: nanoseconds) else { return 1 }
    return min(8 * threadCount, max(threadCount, nanoseconds / Self.leastItemNanoseconds))
  }

  /// Does every item in `0..<itemCount` of a job once and returns when all are finished. Allocates nothing.
  ///
  /// Items are begun in rising order. `worker` is in `0..<threadCount`, and no two items run at the same time under
  /// one worker number, so it can index scratch memory. The caller is worker 0.
  ///
  /// - Parameter nanoseconds: about what the job takes one thread. Below ``leastSharedNanoseconds`` the caller does it alone.
  package func run<Job: ParallelJob>(_ itemCount: Int, nanoseconds: Int = .max, job: borrowing Job) {
    precondition(itemCount >= 0 && itemCount <= Int(UInt32.max), "item count \(itemCount)")
    if itemCount <= 1 || !isShared(nanoseconds: nanoseconds) {
      for item in 0..<itemCount { job.run(item: item, worker: 0) }
      return
    }
    withUnsafePointer(to: job) {
      state.lead(itemCount: itemCount, jobType: Job.self, address: UnsafeRawPointer($0))
    }
  }

  /// As ``run(_:job:)``, but every thread begins with a region of its own and goes through it in rising order, so that
  /// what one thread reads is one stream; a thread that is done takes items of the others' regions.
  package func runInRegions<Job: ParallelJob>(
    _ itemCount: Int, nanoseconds: Int = .max, job: borrowing Job
  ) {
    if itemCount <= threadCount || !isShared(nanoseconds: nanoseconds) {
      run(itemCount, nanoseconds: nanoseconds, job: job)
    } else {
      state.divide(itemCount)
      withUnsafePointer(to: job) {
        run(itemCount, job: RegionJob<Job>(job: $0, state: Unmanaged.passUnretained(state)))
      }
    }
  }

  /// Calls `body(item, worker)` once for every item, as ``run(_:job:)`` does; costs one small allocation
  /// when helpers take part.
  package func run(_ itemCount: Int, _ body: (_ item: Int, _ worker: Int) -> Void) {
    if threads.isEmpty || itemCount <= 1 {
      for item in 0..<itemCount { body(item, 0) }
      return
    }
    withoutActuallyEscaping(body) { run(itemCount, job: ClosureJob(body: $0)) }
  }
}

private struct ClosureJob: ParallelJob {
  let body: (Int, Int) -> Void

  func run(item: Int, worker: Int) { body(item, worker) }
}

/// Hands the items of a job out by regions: an item of this job is no more than the right to do one of that.
private struct RegionJob<Job: ParallelJob>: ParallelJob {
  let job: UnsafePointer<Job>
  let state: Unmanaged<WorkerPoolState>

  func run(item: Int, worker: Int) {
    job.pointee.run(item: state._withUnsafeGuaranteedRef { $0.claimItem(near: worker) }, worker: worker)
  }
}

/// What caller and helpers share. Apart from the pool, so that helpers do not keep the pool alive.
final class WorkerPoolState: @unchecked Sendable {
  // Unchecked because of the job and `itemCount`: the caller writes them before it publishes `claim`, helpers read
  // them only between claiming an item and finishing it, and the caller does not go on before that.

  /// Job number in the upper half, items not yet claimed in the lower.
  private let claim = Atomic<UInt64>(0)
  private let finished = Atomic<Int>(0)
  private let isBusy = Atomic<Bool>(false)
  private let isStopping = Atomic<Bool>(false)
  /// Helpers that sleep or are about to.
  private let parkedCount = Atomic<Int>(0)
  private let callerSleeps = Atomic<Bool>(false)
  private let condition = Condition()
  private let done = Condition()
  private var itemCount = 0
  private var jobType: (any ParallelJob.Type)?
  private var jobAddress: UnsafeRawPointer?
  /// How often an item of a region was asked for; one count in every cache line.
  private let requestCounts: UnsafeMutablePointer<Atomic<Int>>
  /// First item of every region, and the end of the last.
  private let regionBounds: UnsafeMutablePointer<Int>
  private let regionCount: Int
  private static let countStride = 64 / MemoryLayout<Atomic<Int>>.stride

  /// Pause instructions before a thread sleeps. Waking one costs a hundred microseconds and more on a virtual machine, so
  /// helpers wait for about as long: a text is generated without a sleep between its passes, and nothing is burnt between texts.
  private static let helperSpinCount = 8000
  private static let callerSpinCount = 2000

  init(threadCount: Int) {
    regionCount = threadCount
    regionBounds = .allocate(capacity: threadCount + 1)
    regionBounds.initialize(repeating: 0, count: threadCount + 1)
    requestCounts = .allocate(capacity: threadCount * Self.countStride)
    for index in 0..<threadCount * Self.countStride { (requestCounts + index).initialize(to: Atomic(0)) }
  }

  deinit {
    requestCounts.deinitialize(count: regionCount * Self.countStride)
    requestCounts.deallocate()
    regionBounds.deallocate()
  }

  func lead(itemCount: Int, jobType: any ParallelJob.Type, address: UnsafeRawPointer) {
    let wasBusy = isBusy.exchange(true, ordering: .acquiring)
    precondition(!wasBusy, "a worker pool was asked to run a job from inside another")
    self.itemCount = itemCount
    self.jobType = jobType
    jobAddress = address
    finished.store(0, ordering: .relaxed)
    let job = (claim.load(ordering: .relaxed) >> 32) &+ 1
    claim.store(job << 32 | UInt64(itemCount), ordering: .sequentiallyConsistent)
    if parkedCount.load(ordering: .sequentiallyConsistent) > 0 { condition.wakeAll() }

    while let item = claimItem() {
      jobType.run(at: address, item: item, worker: 0)
      finished.add(1, ordering: .relaxed)
    }
    waitUntilFinished(itemCount)
    isBusy.store(false, ordering: .releasing)
  }

  func serve(worker: Int) {
    while true {
      while let item = claimItem() {
        // Safe to read: this job cannot end before the claimed item is finished.
        let itemCount = itemCount
        if let jobType, let jobAddress { jobType.run(at: jobAddress, item: item, worker: worker) }
        let count = finished.add(1, ordering: .sequentiallyConsistent).newValue
        if count == itemCount && callerSleeps.load(ordering: .sequentiallyConsistent) { done.wakeAll() }
      }
      if !waitForWork() { return }
    }
  }

  func stop() {
    isStopping.store(true, ordering: .sequentiallyConsistent)
    condition.wakeAll()
  }

  /// Takes the next item of the running job, if any is left. Nothing but `claim` is looked at before the exchange
  /// has succeeded, so a helper that comes late can only take an item of the job that runs now.
  private func claimItem() -> Int? {
    var seen = claim.load(ordering: .acquiring)
    while seen & 0xFFFF_FFFF != 0 {
      let (exchanged, original) = claim.weakCompareExchange(
        expected: seen, desired: seen - 1, ordering: .acquiringAndReleasing)
      if exchanged { return itemCount - Int(seen & 0xFFFF_FFFF) }
      seen = original
    }
    return nil
  }

  /// Regions of equal size for the next job, one for each thread.
  func divide(_ itemCount: Int) {
    for region in 0..<regionCount {
      regionBounds[region + 1] = itemCount * (region + 1) / regionCount
      requestCounts[region * Self.countStride].store(0, ordering: .relaxed)
    }
  }

  /// The next item of a worker's region, or of the nearest region that has one. To be called once for every item: so there
  /// always is one.
  func claimItem(near worker: Int) -> Int {
    for step in 0..<regionCount {
      let region = (worker + step) % regionCount
      let index = requestCounts[region * Self.countStride].add(1, ordering: .relaxed).oldValue
      let item = regionBounds[region] + index
      if item < regionBounds[region + 1] { return item }
    }
    preconditionFailure("more items of a job were asked for than it has")
  }

  private var hasWork: Bool { claim.load(ordering: .sequentiallyConsistent) & 0xFFFF_FFFF != 0 }

  /// False when the pool is going away.
  private func waitForWork() -> Bool {
    for _ in 0..<Self.helperSpinCount {
      if hasWork { return true }
      bw_spin_pause()
    }
    parkedCount.add(1, ordering: .sequentiallyConsistent)
    condition.wait { hasWork || isStopping.load(ordering: .sequentiallyConsistent) }
    parkedCount.subtract(1, ordering: .sequentiallyConsistent)
    return hasWork || !isStopping.load(ordering: .sequentiallyConsistent)
  }

  private func waitUntilFinished(_ itemCount: Int) {
    for _ in 0..<Self.callerSpinCount {
      if finished.load(ordering: .acquiring) == itemCount { return }
      bw_spin_pause()
    }
    callerSleeps.store(true, ordering: .sequentiallyConsistent)
    done.wait { finished.load(ordering: .sequentiallyConsistent) == itemCount }
    callerSleeps.store(false, ordering: .relaxed)
  }
}
