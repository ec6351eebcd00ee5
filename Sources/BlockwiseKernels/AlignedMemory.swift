internal import Glibc

/// Memory of a size that the machine refused.
package struct AllocationError: Error, Hashable, CustomStringConvertible {
  /// What was asked for, in bytes; nil when the number itself overflowed.
  package var byteCount: Int?

  package init(byteCount: Int?) {
    self.byteCount = byteCount
  }

  package var description: String {
    guard let byteCount else { return "a buffer larger than the address space was asked for" }
    return "\(byteCount) bytes of memory could not be had"
  }
}

/// Raw memory on a 64-byte boundary, zero at first; large blocks are mapped and ask for huge pages.
package struct AlignedMemory: @unchecked Sendable {
  // Unchecked because of the pointer: this is the address and size of a block, its owner guards its use.
  package let base: UnsafeMutableRawPointer
  package let byteCount: Int
  private let isMapped: Bool

  private static let hugePageByteCount = 2 << 20

  /// Allocates; the owner calls ``deallocate()`` once.
  package init(byteCount: Int) throws(AllocationError) {
    precondition(byteCount >= 0, "byte count \(byteCount)")
    self.byteCount = byteCount
    isMapped = byteCount >= Self.hugePageByteCount
    if isMapped {
      // One huge page more than needed, so that a boundary lies inside; the ends are given back.
      let (reserved, overflow) = byteCount.addingReportingOverflow(2 * Self.hugePageByteCount)
      guard !overflow else { throw AllocationError(byteCount: byteCount) }
      let length = reserved / Self.hugePageByteCount * Self.hugePageByteCount
      guard
        let start = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
        start != MAP_FAILED
      else { throw AllocationError(byteCount: byteCount) }
      let base = start.alignedUp(toMultipleOf: Self.hugePageByteCount)
      let kept = Self.mappedByteCount(byteCount)
      if base > start { munmap(start, base - start) }
      let end = base + kept
      if end < start + length { munmap(end, start + length - end) }
      madvise(base, kept, MADV_HUGEPAGE)
      self.base = base
    } else {
      var pointer: UnsafeMutableRawPointer?
      guard posix_memalign(&pointer, 64, max(64, byteCount)) == 0, let pointer else {
        throw AllocationError(byteCount: byteCount)
      }
      memset(pointer, 0, max(64, byteCount))
      base = pointer
    }
  }

  /// Gives the memory back.
  package func deallocate() {
    if isMapped {
      munmap(base, Self.mappedByteCount(byteCount))
    } else {
      free(base)
    }
  }

  private static func mappedByteCount(_ byteCount: Int) -> Int {
    (byteCount + hugePageByteCount - 1) / hugePageByteCount * hugePageByteCount
  }
}
