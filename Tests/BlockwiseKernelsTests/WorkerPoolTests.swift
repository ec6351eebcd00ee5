import BlockwiseKernels
import Foundation
import Synchronization
import Testing

@Suite struct WorkerPoolTests {
  @Test(arguments: 1...4)
  func `every item runs once in thousands of jobs`(threadCount: Int) throws {
    let pool = WorkerPool(threadCount: threadCount)
    let counts = try AlignedBuffer<Int32>(count: 1000)
    for round in 0..<3000 {
      let itemCount = [0, 1, 2, 3, 17, 1000][round % 6]
      counts.elements.update(repeating: 0)
      pool.run(itemCount) { item, _ in counts.pointer[item] += 1 }
      let expected = (0..<1000).allSatisfy { counts.pointer[$0] == ($0 < itemCount ? 1 : 0) }
      if !expected { Issue.record("round \(round), \(itemCount) items, \(threadCount) threads") }
    }
  }

  @Test(arguments: 1...5)
  func `every item of regions runs once, whoever takes it`(threadCount: Int) throws {
    struct Job: ParallelJob {
      let counts: UnsafeMutablePointer<Int32>
      let slowWorker: Int

      func run(item: Int, worker: Int) {
        counts[item] += 1
        // The others have to take over a part of this worker's region.
        if worker == slowWorker { for _ in 0..<2000 { _ = item.hashValue } }
      }
    }
    let pool = WorkerPool(threadCount: threadCount)
    let counts = try AlignedBuffer<Int32>(count: 1000)
    for round in 0..<1000 {
      let itemCount = [0, 1, 2, 5, 6, 17, 64, 1000][round % 8]
      counts.elements.update(repeating: 0)
      pool.runInRegions(itemCount, job: Job(counts: counts.pointer, slowWorker: round % threadCount))
      let expected = (0..<1000).allSatisfy { counts.pointer[$0] == ($0 < itemCount ? 1 : 0) }
      if !expected { Issue.record("round \(round), \(itemCount) items, \(threadCount) threads") }
    }
  }

  @Test func `every thread begins with its own region and goes through regions in rising order`() throws {
    struct Job: ParallelJob {
      /// `[workers, items]`.
      let taken: UnsafeMutablePointer<Int>
      let counts: UnsafeMutablePointer<Int>
      let begun: UnsafeMutablePointer<Atomic<Int>>

      func run(item: Int, worker: Int) {
        taken[worker * 40 + counts[worker]] = item
        counts[worker] += 1
        guard counts[worker] == 1 else { return }
        // Nobody gets ahead before all have their first item.
        begun.pointee.add(1, ordering: .relaxed)
        while begun.pointee.load(ordering: .relaxed) < 3 { sched_yield() }
      }
    }
    let pool = WorkerPool(threadCount: 3)
    try #require(pool.threadCount == 3)
    let taken = try AlignedBuffer<Int>(count: 3 * 40)
    let counts = try AlignedBuffer<Int>(count: 3)
    let begun = UnsafeMutablePointer<Atomic<Int>>.allocate(capacity: 1)
    begun.initialize(to: Atomic(0))
    defer {
      begun.deinitialize(count: 1)
      begun.deallocate()
    }
    for _ in 0..<200 {
      for worker in 0..<3 { counts.pointer[worker] = 0 }
      begun.pointee.store(0, ordering: .relaxed)
      pool.runInRegions(40, job: Job(taken: taken.pointer, counts: counts.pointer, begun: begun))
      let bounds = [0, 13, 26, 40]
      for worker in 0..<3 {
        let items = (0..<counts[worker]).map { taken[worker * 40 + $0] }
        #expect(items.first == bounds[worker])
        for region in 0..<3 {
          let inRegion = items.filter { (bounds[region]..<bounds[region + 1]).contains($0) }
          #expect(inRegion == inRegion.sorted())
        }
      }
    }
  }

  @Test func `a worker number is never used by two items at once`() throws {
    let pool = WorkerPool(threadCount: 4)
    // Unsynchronised on purpose: the thread sanitizer sees it if two threads share a number.
    let perWorker = try AlignedBuffer<Int>(count: 4 * 8)
    for _ in 0..<500 {
      pool.run(50) { _, worker in perWorker.pointer[worker * 8] += 1 }
    }
    #expect((0..<4).reduce(0) { $0 + perWorker[$1 * 8] } == 25000)
  }

  @Test func `a job sees what the one before wrote`() throws {
    let pool = WorkerPool(threadCount: 3)
    let values = try AlignedBuffer<Int>(count: 64)
    for round in 0..<2000 {
      pool.run(64) { item, _ in values.pointer[(item * 5 + round) % 64] += 1 }
    }
    #expect(values.elements.allSatisfy { $0 == 2000 })
  }

  @Test func `many pools on many tasks do not disturb each other`() async {
    // Far more threads than processors, so that every place of a thread's life is interrupted sooner or later.
    await withTaskGroup(of: Int.self) { group in
      for _ in 0..<6 {
        group.addTask {
          let pool = WorkerPool(threadCount: 4)
          let total = Atomic<Int>(0)
          for _ in 0..<200 {
            pool.run(20) { item, _ in total.add(item, ordering: .relaxed) }
          }
          return total.load(ordering: .relaxed)
        }
      }
      for await total in group { #expect(total == 200 * 190) }
    }
  }

  @Test func `an item may use another pool`() {
    let outer = WorkerPool(threadCount: 2)
    let inner = [WorkerPool(threadCount: 3), WorkerPool(threadCount: 2)]
    let total = Atomic<Int>(0)
    for _ in 0..<100 {
      outer.run(2) { item, _ in
        inner[item].run(10) { item, _ in total.add(item, ordering: .relaxed) }
      }
    }
    #expect(total.load(ordering: .relaxed) == 100 * 2 * 45)
  }

  @Test func `sleeping helpers wake for the next job`() async throws {
    let pool = WorkerPool(threadCount: 3)
    let total = Atomic<Int>(0)
    for _ in 0..<20 {
      pool.run(30) { _, _ in total.add(1, ordering: .relaxed) }
      try await Task.sleep(for: .milliseconds(2))
    }
    #expect(total.load(ordering: .relaxed) == 600)
  }

  @Test func `pools come and go`() {
    for threadCount in [1, 2, 3, 4] {
      for round in 0..<50 {
        let pool = WorkerPool(threadCount: threadCount)
        #expect(pool.threadCount == threadCount)
        if round % 2 == 0 {
          let total = Atomic<Int>(0)
          pool.run(5) { _, _ in total.add(1, ordering: .relaxed) }
          #expect(total.load(ordering: .relaxed) == 5)
        }
      }
    }
  }
}
