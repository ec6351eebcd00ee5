internal import CBlockwiseKernels

/// Work that shows what the machine can do at best, to be timed by benchmarks.
package enum MachineProbe {
  /// How memory is read: streams side by side, and how far ahead of each the processor is told.
  package struct ReadPattern: Sendable, Hashable {
    package var streamCount: Int
    package var prefetchByteCount: Int

    /// 1, 2, 4 or 8 streams; a distance of 0 tells the processor nothing.
    package init(streamCount: Int, prefetchByteCount: Int) {
      self.streamCount = streamCount
      self.prefetchByteCount = prefetchByteCount
    }

    /// What has been fastest on one machine or another.
    package static let candidates = [
      ReadPattern(streamCount: 2, prefetchByteCount: 0), ReadPattern(streamCount: 4, prefetchByteCount: 0),
      ReadPattern(streamCount: 4, prefetchByteCount: 384),
      ReadPattern(streamCount: 8, prefetchByteCount: 384),
    ]
  }

  /// The sum of the 64-bit words of a block of memory.
  /// - Precondition: the size is a multiple of 64 bytes for each of 1, 2, 4 or 8 streams.
  package static func sum(
    _ base: UnsafeRawPointer, byteCount: Int, pattern: ReadPattern
  ) -> UInt64 {
    precondition([1, 2, 4, 8].contains(pattern.streamCount), "\(pattern.streamCount) streams")
    precondition(byteCount % (64 * pattern.streamCount) == 0, "\(byteCount) bytes in \(pattern)")
    return bw_read_memory(base, byteCount, Int32(pattern.streamCount), pattern.prefetchByteCount)
  }
}

extension Kernels {
  /// Runs multiply-adds on registers alone, on the calling thread, with the instructions that products in this mode use.
  /// - Parameter result: receives what keeps the work from being left out.
  /// - Returns: the multiplications and additions; nil where this variant has no such loop.
  package func runArithmetic(_ mode: MatmulMode, roundCount: Int, result: inout Float) -> Double? {
    let operations = bw_run_arithmetic(table, mode == .int8 ? 1 : 0, roundCount, &result)
    return operations > 0 ? operations : nil
  }
}
