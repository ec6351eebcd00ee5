package import BlockwiseKernels

/// For every row of a pass over one sequence, the cache slots it attends to, as runs of neighbouring slots in the
/// order of absolute position.
///
/// Attention sums keys in exactly this order and never adds a hidden one, which is why a row's result does not depend
/// on what else shares the pass. Layers with the same window and key selection share one of these.
package struct VisibleKeys {
  /// The runs of all rows, one row after the other.
  package private(set) var runs: [SlotRun] = []
  /// `runs[bounds[i]..<bounds[i + 1]]` belong to row `i`.
  package private(set) var bounds: [Int] = [0]
  /// The most keys any row sees.
  package private(set) var maximumKeyCount = 0

  package init() {}

  /// What the rule of visibility needs to know of the pass.
  package struct Pass {
    /// Position of every slot, those of the pass included.
    package var slotPositions: [Int32]
    /// Slots `[0, prefixCount)` hold positions equal to their index and are not written by this pass.
    package var prefixCount: Int
    /// For slots from `prefixCount` on: the row of this pass that writes it, or −1.
    package var slotRows: [Int32]
    /// Position and slot of every row of the pass.
    package var rowPositions: [Int32]
    package var rowSlots: [Int]
    package var visibility: Visibility

    package init(
      slotPositions: [Int32], prefixCount: Int, slotRows: [Int32], rowPositions: [Int32], rowSlots: [Int],
      visibility: Visibility
    ) {
      self.slotPositions = slotPositions
      self.prefixCount = prefixCount
      self.slotRows = slotRows
      self.rowPositions = rowPositions
      self.rowSlots = rowSlots
      self.visibility = visibility
    }
  }

  /// Finds the visible keys of every row.
  /// - Parameters:
  ///   - window: keys with `row position − key position ≥ window` are hidden; nil for none.
  ///   - selection: positions of the keys from before the pass that take part, increasing; nil for all of them.
  package mutating func fill(_ pass: Pass, window: Int?, selection: [Int32]?) {
    runs.removeAll(keepingCapacity: true)
    bounds.removeAll(keepingCapacity: true)
    bounds.append(0)
    maximumKeyCount = 0
    // Slots behind the prefix, in the order of position; ties (nodes of a tree) keep the order of slots.
    let tail = pass.prefixCount..<pass.slotPositions.count
    var order = Array(tail)
    if !isSorted(order, by: pass.slotPositions) {
      order.sort { (pass.slotPositions[$0], $0) < (pass.slotPositions[$1], $1) }
    }
    // The prefix comes first only if nothing behind it has a smaller position.
    let isPrefixFirst = order.first.map { Int(pass.slotPositions[$0]) >= pass.prefixCount } ?? true
    if !isPrefixFirst {
      order = merged(prefixCount: pass.prefixCount, tail: order, positions: pass.slotPositions)
    }
    let ancestors = AncestorSets(visibility: pass.visibility, rowCount: pass.rowSlots.count)

    for row in pass.rowSlots.indices {
      let first = runs.count
      let position = pass.rowPositions[row]
      if isPrefixFirst {
        appendPrefix(pass, position: position, window: window, selection: selection, firstRun: first)
      }
      for slot in order
      where isVisible(slot, to: row, at: position, pass, ancestors, window: window, selection: selection) {
        append(slot: slot, firstRun: first)
      }
      bounds.append(runs.count)
      var count = 0
      for run in runs[first...] { count += Int(run.count) }
      maximumKeyCount = max(maximumKeyCount, count)
    }
  }

  private mutating func append(slot: Int, firstRun: Int) {
    if runs.count > firstRun, let last = runs.last, Int(last.start) + Int(last.count) == slot {
      runs[runs.count - 1].count += 1
    } else {
      runs.append(SlotRun(start: slot, count: 1))
    }
  }

  /// The keys before the pass whose position is their slot are visible as a range: no look at each of them.
  private mutating func appendPrefix(
    _ pass: Pass, position: Int32, window: Int?, selection: [Int32]?, firstRun: Int
  ) {
    let row = Int(position)
    let upper: Int
    switch pass.visibility {
    case .causal, .ancestors: upper = row + 1
    case .bidirectional, .bits: upper = pass.prefixCount
    case .blockCausal(let size, let anchor): upper = (floorDivide(row - anchor, size) + 1) * size + anchor
    case .contextCausal(let start): upper = row < start ? row + 1 : pass.prefixCount
    }
    let lower = window.map { max(0, row - $0 + 1) } ?? 0
    let range = lower..<max(lower, min(upper, pass.prefixCount))
    guard let selection else {
      if !range.isEmpty { runs.append(SlotRun(start: range.lowerBound, count: range.count)) }
      return
    }
    for selected in selection where range.contains(Int(selected)) {
      append(slot: Int(selected), firstRun: firstRun)
    }
  }

  private func isVisible(
    _ slot: Int, to row: Int, at position: Int32, _ pass: Pass, _ ancestors: AncestorSets, window: Int?,
    selection: [Int32]?
  ) -> Bool {
    let key = pass.slotPositions[slot]
    if let window, Int(position) - Int(key) >= window { return false }
    let writer = slot < pass.prefixCount ? -1 : pass.slotRows[slot - pass.prefixCount]
    if writer < 0, let selection, !contains(selection, key) { return false }
    switch pass.visibility {
    case .causal: return key <= position
    case .bidirectional: return true
    case .blockCausal(let size, let anchor):
      return floorDivide(Int(key) - anchor, size) <= floorDivide(Int(position) - anchor, size)
    case .contextCausal(let start): return Int(position) >= start || key <= position
    case .ancestors: return writer < 0 ? key <= position : ancestors.contains(Int(writer), in: row)
    case .bits(let bits): return writer < 0 || bits[row, Int(writer)]
    }
  }

  private func isSorted(_ slots: [Int], by positions: [Int32]) -> Bool {
    zip(slots, slots.dropFirst()).allSatisfy { positions[$0] <= positions[$1] }
  }

  private func merged(prefixCount: Int, tail: [Int], positions: [Int32]) -> [Int] {
    var all = Array(0..<prefixCount) + tail
    all.sort { (positions[$0], $0) < (positions[$1], $1) }
    return all
  }

  private func contains(_ sorted: [Int32], _ value: Int32) -> Bool {
    var low = 0
    var high = sorted.count
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low < sorted.count && sorted[low] == value
  }
}

/// Rounds the quotient towards −∞, so that a block grid continues to the left of its anchor.
private func floorDivide(_ value: Int, _ size: Int) -> Int {
  value >= 0 ? value / size : -((-value + size - 1) / size)
}

/// For every node of a draft tree the set of rows on its path, as bits.
private struct AncestorSets {
  private var words: [UInt64] = []
  private var wordCount = 0

  init(visibility: Visibility, rowCount: Int) {
    guard case .ancestors(let parents) = visibility else { return }
    wordCount = (rowCount + 63) / 64
    words = Array(repeating: 0, count: wordCount * rowCount)
    for row in 0..<rowCount {
      if parents[row] >= 0 {
        for word in 0..<wordCount { words[row * wordCount + word] = words[parents[row] * wordCount + word] }
      }
      words[row * wordCount + row >> 6] |= 1 << UInt64(row & 63)
    }
  }

  func contains(_ ancestor: Int, in row: Int) -> Bool {
    words[row * wordCount + ancestor >> 6] >> UInt64(ancestor & 63) & 1 == 1
  }
}
