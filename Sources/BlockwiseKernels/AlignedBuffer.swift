/// Owner of `count` elements on a 64-byte boundary, zero at first.
///
/// Shared by reference; whoever writes must make sure that nobody else reads or writes the same elements, which is
/// what the disjoint rows and tiles of a pass do.
package final class AlignedBuffer<Element: BitwiseCopyable>: @unchecked Sendable {
  // Unchecked: the memory is plain bytes and access is coordinated by the passes that use it.
  package let pointer: UnsafeMutablePointer<Element>
  package let count: Int
  private let memory: AlignedMemory

  /// - Throws: ``AllocationError`` when the size overflows or the memory cannot be had.
  package init(count: Int) throws(AllocationError) {
    precondition(count >= 0, "element count \(count)")
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    guard !overflow else { throw AllocationError(byteCount: nil) }
    memory = try AlignedMemory(byteCount: byteCount)
    pointer = memory.base.bindMemory(to: Element.self, capacity: count)
    self.count = count
  }

  deinit { memory.deallocate() }

  /// Bytes of the elements.
  package var byteCount: Int { memory.byteCount }

  package subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count, "index \(index) of \(count)")
      return pointer[index]
    }
    set {
      precondition(index >= 0 && index < count, "index \(index) of \(count)")
      pointer[index] = newValue
    }
  }

  /// All elements.
  package var elements: UnsafeMutableBufferPointer<Element> {
    UnsafeMutableBufferPointer(start: pointer, count: count)
  }
}
