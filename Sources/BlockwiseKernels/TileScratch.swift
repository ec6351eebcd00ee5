internal import CBlockwiseKernels

/// One tile of weights for every thread of a pool: where blocks are decoded that stay blocks in memory.
///
/// Matrices of one model share it, because passes run one product at a time.
package final class TileScratch: Sendable {
  private let memory: AlignedMemory
  private let tileByteCount: Int
  private let workerCount: Int

  /// - Parameters:
  ///   - workerCount: threads that may compute at once.
  ///   - columns: inner dimension of the widest matrix.
  /// - Throws: ``AllocationError`` when the size overflows or the memory cannot be had.
  package init(workerCount: Int, columns: Int) throws(AllocationError) {
    precondition(
      workerCount > 0 && columns > 0 && columns <= Int.max - 31, "\(workerCount) tiles of \(columns) columns")
    let largest = StoredBlockFormat.allCases.reduce(0) {
      max($0, bw_tile_group_bytes($1.residentFormat.kernelFormat))
    }
    let (bytes, overflow) = ((columns + 31) / 32).multipliedReportingOverflow(by: largest)
    let (total, totalOverflow) = bytes.multipliedReportingOverflow(by: workerCount)
    guard !overflow, !totalOverflow else { throw AllocationError(byteCount: nil) }
    memory = try AlignedMemory(byteCount: total)
    tileByteCount = bytes
    self.workerCount = workerCount
  }

  deinit { memory.deallocate() }

  /// Where a thread decodes a tile of `byteCount` bytes.
  func tile(worker: Int, byteCount: Int) -> UnsafeMutableRawPointer {
    precondition(
      (0..<workerCount).contains(worker) && byteCount <= tileByteCount,
      "a tile of \(byteCount) bytes for thread \(worker); there are \(workerCount) of \(tileByteCount)")
    return memory.base + worker * tileByteCount
  }
}
