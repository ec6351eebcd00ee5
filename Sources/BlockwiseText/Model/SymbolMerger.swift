/// Merges adjacent symbols of one word, best pair first, ties to the left.
///
/// Short words are scanned for the best pair again and again; long ones use a linked list and a heap, so a
/// megabyte without a break costs n log n. Both give the same result: a pair's order depends only on the two
/// symbols and their place.
struct SymbolMerger {
  /// A stretch of the word.
  struct Symbol {
    /// The token, or −1 when the vocabulary has none for this stretch.
    var token: Int32
    /// The index of its first initial symbol.
    var start: Int32
    /// How many initial symbols it covers; 0 once absorbed.
    var length: Int32 = 1
    fileprivate var previous: Int32 = -1
    fileprivate var next: Int32 = -1
  }

  /// What a rule says about a pair: lower priorities merge first.
  typealias Verdict = (priority: UInt64, token: Int32)

  /// The symbols of the word; filled by ``append(_:)``, compacted by ``merge(_:)``.
  private(set) var symbols: [Symbol] = []
  private var heap = CandidateHeap()

  /// Words up to this many symbols are scanned instead of using the heap.
  private static let scanLimit = 24

  mutating func removeAll() { symbols.removeAll(keepingCapacity: true) }

  @inline(__always)
  mutating func append(_ token: Int32) {
    symbols.append(Symbol(token: token, start: Int32(truncatingIfNeeded: symbols.count)))
  }

  /// Merges until no pair has a rule.
  @inline(__always)
  mutating func merge(_ rule: (_ left: Symbol, _ right: Symbol) -> Verdict?) {
    if symbols.count < 2 { return }
    if symbols.count <= Self.scanLimit { mergeByScanning(rule) } else { mergeByHeap(rule) }
  }

  @inline(__always)
  private mutating func mergeByScanning(_ rule: (Symbol, Symbol) -> Verdict?) {
    var count = symbols.count
    // Verdicts of the pairs (i, i + 1); a merge changes only its two neighbours.
    withUnsafeTemporaryAllocation(of: Verdict.self, capacity: count) { verdicts in
      symbols.withUnsafeMutableBufferPointer { symbols in
        for index in 0..<count - 1 {
          verdicts[index] = rule(symbols[index], symbols[index + 1]) ?? (UInt64.max, -1)
        }
        while count > 1 {
          var best = 0
          for index in 1..<max(count - 1, 1) where verdicts[index].priority < verdicts[best].priority {
            best = index
          }
          guard verdicts[best].token >= 0 else { break }
          symbols[best].token = verdicts[best].token
          symbols[best].length += symbols[best + 1].length
          for index in best + 1..<count - 1 {
            symbols[index] = symbols[index + 1]
            verdicts[index - 1] = verdicts[index]
          }
          count -= 1
          // Left before right, as in the other algorithm: a rule may take note of what it was asked.
          if best > 0 {
            verdicts[best - 1] = rule(symbols[best - 1], symbols[best]) ?? (UInt64.max, -1)
          }
          if best < count - 1 {
            verdicts[best] = rule(symbols[best], symbols[best + 1]) ?? (UInt64.max, -1)
          }
        }
      }
    }
    symbols.removeSubrange(count...)
  }

  private mutating func mergeByHeap(_ rule: (Symbol, Symbol) -> Verdict?) {
    var heap = self.heap
    self.heap = CandidateHeap()
    defer { self.heap = heap }
    symbols.withUnsafeMutableBufferPointer { symbols in
      func offer(_ left: Int) {
        let right = Int(symbols[left].next)
        guard right >= 0, let verdict = rule(symbols[left], symbols[right]) else { return }
        heap.push(
          MergeCandidate(
            priority: verdict.priority, left: Int32(truncatingIfNeeded: left),
            length: symbols[left].length + symbols[right].length, token: verdict.token))
      }
      for index in symbols.indices {
        symbols[index].previous = Int32(truncatingIfNeeded: index - 1)
        symbols[index].next = index + 1 < symbols.count ? Int32(truncatingIfNeeded: index + 1) : -1
      }
      for index in 0..<symbols.count - 1 { offer(index) }
      while let best = heap.pop() {
        let left = Int(best.left)
        let right = Int(symbols[left].next)
        // Stale unless both sides still cover the same stretch.
        guard symbols[left].length > 0, right >= 0,
          symbols[left].length + symbols[right].length == best.length
        else { continue }
        symbols[left].token = best.token
        symbols[left].length = best.length
        let after = symbols[right].next
        symbols[left].next = after
        symbols[right].length = 0
        if after >= 0 { symbols[Int(after)].previous = best.left }
        if symbols[left].previous >= 0 { offer(Int(symbols[left].previous)) }
        offer(left)
      }
    }
    symbols.removeAll { $0.length == 0 }
  }
}

/// A pair that could be merged.
struct MergeCandidate {
  var priority: UInt64
  var left: Int32
  /// The initial symbols that both sides cover.
  var length: Int32
  var token: Int32

  @inline(__always)
  static func < (first: MergeCandidate, second: MergeCandidate) -> Bool {
    first.priority != second.priority ? first.priority < second.priority : first.left < second.left
  }
}

/// A binary heap with the best candidate on top.
struct CandidateHeap {
  private var storage: [MergeCandidate] = []

  mutating func push(_ candidate: MergeCandidate) {
    storage.append(candidate)
    var child = storage.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard candidate < storage[parent] else { break }
      storage[child] = storage[parent]
      child = parent
    }
    storage[child] = candidate
  }

  mutating func pop() -> MergeCandidate? {
    guard let best = storage.first, let last = storage.popLast() else { return nil }
    guard !storage.isEmpty else { return best }
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < storage.count else { break }
      if child + 1 < storage.count, storage[child + 1] < storage[child] { child += 1 }
      guard storage[child] < last else { break }
      storage[parent] = storage[child]
      parent = child
    }
    storage[parent] = last
    return best
  }
}
