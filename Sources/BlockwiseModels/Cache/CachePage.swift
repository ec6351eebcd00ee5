internal import Foundation

/// The keys and values of 64 slots of a sequence, all layers together. Forks share pages until one of them writes.
///
/// Unchecked because the memory is raw: a page is written only by the pass or operation that holds the one reference
/// to it (``SequenceCache/makePagesUnique(covering:)``), and read by passes that hold a reference each.
final class CachePage: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let byteCount: Int

  /// Zeroed memory of `byteCount` bytes, or nil when the system has none.
  init?(byteCount: Int) {
    let size = max(64, (byteCount + 63) / 64 * 64)
    guard let memory = aligned_alloc(64, size) else { return nil }
    memset(memory, 0, size)
    base = memory
    self.byteCount = byteCount
  }

  deinit { free(base) }

  /// Another page with the same bytes.
  func copy() -> CachePage? {
    guard let page = CachePage(byteCount: byteCount) else { return nil }
    page.base.copyMemory(from: base, byteCount: byteCount)
    return page
  }
}
