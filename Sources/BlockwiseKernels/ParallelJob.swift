/// Work in items that may run side by side; see ``WorkerPool/run(_:job:)``.
///
/// Make it a struct of pointers and numbers: it is read where it lies, by all threads, while the job runs.
package protocol ParallelJob {
  /// Does one item. Called once for every item, on any of the pool's threads.
  func run(item: Int, worker: Int)
}

extension ParallelJob {
  /// Does one item of the job that lies at an address: what threads call that know neither size nor type.
  static func run(at address: UnsafeRawPointer, item: Int, worker: Int) {
    address.assumingMemoryBound(to: Self.self).pointee.run(item: item, worker: worker)
  }
}
