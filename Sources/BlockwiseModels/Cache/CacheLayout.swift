public import BlockwiseKernels

/// How the keys and values of one page of 64 slots lie in memory.
///
/// A page holds, for every layer, the keys of every key/value head and then the values of every head; each of
/// these is `[64, headRow]`, so that a run of neighbouring slots is one stream of memory.
public struct CacheLayout: Sendable, Hashable {
  /// Slots of one page.
  public static let pageSlotCount = CacheFormat.pageSlotCount

  /// Layers with attention.
  public let layerCount: Int
  /// Key/value heads per layer.
  public let headCount: Int
  /// Elements of one key or value.
  public let headDimension: Int
  /// How an element is stored.
  public let format: CacheFormat

  /// Bytes of one key or value of one head.
  package let headRowByteCount: Int
  /// Bytes of the keys (or values) of one head in a page.
  package let headByteCount: Int
  /// Bytes of one page.
  public let pageByteCount: Int

  /// A layout; all counts at least 0, and their product must fit an `Int` (models check that when they load).
  public init(layerCount: Int, headCount: Int, headDimension: Int, format: CacheFormat) {
    self.layerCount = layerCount
    self.headCount = headCount
    self.headDimension = headDimension
    self.format = format
    headRowByteCount = format.rowByteCount(headDimension: headDimension)
    headByteCount = headRowByteCount * Self.pageSlotCount
    pageByteCount = layerCount * 2 * headCount * headByteCount
  }

  /// Offset of the keys of a head of a layer inside a page.
  package func keyOffset(layer: Int, head: Int) -> Int {
    (layer * 2 * headCount + head) * headByteCount
  }

  /// Offset of the values of a head of a layer inside a page.
  package func valueOffset(layer: Int, head: Int) -> Int {
    (layer * 2 * headCount + headCount + head) * headByteCount
  }

  /// Bytes that a context of `slotCount` slots takes when it is full; `Int.max` when they cannot be counted.
  public func byteCount(slotCount: Int) -> Int {
    let pages = slotCount / Self.pageSlotCount + (slotCount % Self.pageSlotCount == 0 ? 0 : 1)
    let (bytes, overflow) = pages.multipliedReportingOverflow(by: pageByteCount)
    return overflow ? .max : bytes
  }
}
