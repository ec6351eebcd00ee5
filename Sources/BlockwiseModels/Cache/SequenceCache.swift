package import BlockwiseFiles

/// The keys and values of one sequence, and what is known of every slot.
///
/// Slots `[0, committedCount)` are the committed sequence, the next `canvasCount` are the canvas, which survives
/// passes without being committed, and `scratchCount` more belong to the last pass. All layers and heads move as one
/// unit, and moving a row copies its bytes: what was rounded when it was written is never rounded again.
package struct SequenceCache: Sendable {
  package let layout: CacheLayout
  package let contextLength: Int
  package private(set) var committedCount = 0
  package private(set) var canvasCount = 0
  package private(set) var scratchCount = 0
  /// Absolute position of every slot.
  package private(set) var positions: [Int32] = []
  /// Token of every slot; −1 for a row that was given as a vector.
  package private(set) var tokens: [TokenID] = []
  /// Whether slot `i` holds position `i` for all committed slots: the usual case, in which visibility is a range.
  package private(set) var positionsAreSlots = true
  private var pages: [CachePage] = []

  package init(layout: CacheLayout, contextLength: Int) {
    self.layout = layout
    self.contextLength = contextLength
  }

  package var slotCount: Int { committedCount + canvasCount + scratchCount }

  /// Bytes of the pages that this sequence refers to, shared ones included.
  package var byteCount: Int { pages.count * layout.pageByteCount }

  // MARK: Regions

  /// Drops canvas and scratch.
  package mutating func rollback() { setSlots(committed: committedCount, canvas: 0) }

  /// Drops the scratch rows; the pages stay, because a pass that begins has made those ready that it writes.
  package mutating func discardScratch() {
    scratchCount = 0
    positions.removeSubrange(slotCount...)
    tokens.removeSubrange(slotCount...)
  }

  package mutating func truncate(to length: Int) throws(CacheError) {
    guard (0...committedCount).contains(length) else { throw .length(length, available: committedCount) }
    setSlots(committed: length, canvas: 0)
  }

  /// Makes the first `count` canvas slots part of the committed sequence; the rest stays canvas.
  package mutating func commitCanvas(count: Int) throws(CacheError) {
    guard (0...canvasCount).contains(count) else { throw .length(count, available: canvasCount) }
    let canvas = canvasCount - count
    setSlots(committed: committedCount + count, canvas: canvas)
  }

  /// Keeps the given scratch rows, in order, behind the committed sequence and drops the others.
  package mutating func commit(scratchRows rows: [Int]) throws(CacheError) {
    guard canvasCount == 0 else { throw .canvasOpen(slotCount: canvasCount) }
    var last = -1
    for row in rows {
      guard row > last, row < scratchCount else { throw .rows(rows, scratchCount: scratchCount) }
      last = row
    }
    // What a fork shares is copied first, so that nothing has moved when memory runs out; rows move to the front only.
    try makePagesUnique(covering: committedCount..<committedCount + rows.count)
    for (target, row) in rows.enumerated() where target != row {
      copySlot(from: committedCount + row, to: committedCount + target)
      positions[committedCount + target] = positions[committedCount + row]
      tokens[committedCount + target] = tokens[committedCount + row]
    }
    setSlots(committed: committedCount + rows.count, canvas: 0)
  }

  private mutating func setSlots(committed: Int, canvas: Int) {
    if committed > committedCount {
      for slot in committedCount..<committed where positions[slot] != Int32(slot) {
        positionsAreSlots = false
      }
    }
    let shrinks = committed < committedCount
    committedCount = committed
    canvasCount = canvas
    scratchCount = 0
    positions.removeSubrange(slotCount...)
    tokens.removeSubrange(slotCount...)
    if shrinks && !positionsAreSlots {
      positionsAreSlots = positions.prefix(committed).enumerated().allSatisfy {
        $0.element == Int32($0.offset)
      }
    }
    let pageCount = (slotCount + CacheLayout.pageSlotCount - 1) / CacheLayout.pageSlotCount
    // One spare page stays, so that a draft over a page border does not allocate again and again.
    if pages.count > pageCount + 1 { pages.removeSubrange((pageCount + 1)...) }
  }

  // MARK: Slots of a pass

  /// Adds a slot at the end of the region that the write names; the plan was checked before.
  package mutating func addSlot(token: TokenID, position: Int32, region: Region) {
    switch region {
    case .committed:
      if position != Int32(committedCount) { positionsAreSlots = false }
      committedCount += 1
    case .canvas: canvasCount += 1
    case .scratch: scratchCount += 1
    }
    positions.append(position)
    tokens.append(token)
  }

  package enum Region { case committed, canvas, scratch }

  package mutating func replaceSlot(_ slot: Int, token: TokenID, position: Int32) {
    if slot < committedCount, position != Int32(slot) { positionsAreSlots = false }
    positions[slot] = position
    tokens[slot] = token
  }

  /// Makes sure that the slots of `range` have memory of their own that no fork shares.
  package mutating func makePagesUnique(covering range: Range<Int>) throws(CacheError) {
    guard !range.isEmpty else { return }
    let size = CacheLayout.pageSlotCount
    let lastPage = (range.upperBound - 1) / size
    while pages.count <= lastPage {
      guard let page = CachePage(byteCount: layout.pageByteCount) else {
        throw .outOfMemory(byteCount: layout.pageByteCount)
      }
      pages.append(page)
    }
    for index in range.lowerBound / size...lastPage where !isKnownUniquelyReferenced(&pages[index]) {
      guard let page = pages[index].copy() else { throw .outOfMemory(byteCount: layout.pageByteCount) }
      pages[index] = page
    }
  }

  /// Appends the base address of every page to `table`.
  package func appendPageTable(to table: inout [UnsafeMutableRawPointer]) {
    for page in pages { table.append(page.base) }
  }

  /// Start of a slot's row of one head, given the offset of that head inside a page.
  package func rowPointer(slot: Int, headOffset: Int) -> UnsafeMutableRawPointer {
    let size = CacheLayout.pageSlotCount
    return pages[slot / size].base + headOffset + slot % size * layout.headRowByteCount
  }

  private func copySlot(from source: Int, to target: Int) {
    for block in 0..<layout.layerCount * 2 * layout.headCount {
      let offset = block * layout.headByteCount
      rowPointer(slot: target, headOffset: offset).copyMemory(
        from: rowPointer(slot: source, headOffset: offset), byteCount: layout.headRowByteCount)
    }
  }

  /// The stored bytes of a slot, all layers and heads, for comparisons in tests.
  package func storedBytes(slot: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    for block in 0..<layout.layerCount * 2 * layout.headCount {
      let row = UnsafeRawBufferPointer(
        start: rowPointer(slot: slot, headOffset: block * layout.headByteCount),
        count: layout.headRowByteCount)
      bytes.append(contentsOf: row)
    }
    return bytes
  }
}
