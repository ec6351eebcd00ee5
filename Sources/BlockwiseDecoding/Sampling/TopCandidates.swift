/// A token with the value it is ranked by.
struct RankedToken: Sendable {
  var value: Float
  var id: Int32

  /// Larger values first, lower ids among equals.
  @inline(__always)
  func isBetter(than other: RankedToken) -> Bool {
    value > other.value || (value == other.value && id < other.id)
  }
}

/// The best `capacity` tokens of those that were offered: a heap with the worst of them at the root.
struct TopCandidates {
  private let capacity: Int
  private var heap: [RankedToken] = []

  init(capacity: Int) {
    self.capacity = capacity
    heap.reserveCapacity(capacity)
  }

  /// Takes a token if it is among the best so far. Ids arrive in ascending order.
  @inline(__always)
  mutating func offer(_ value: Float, id: Int32) {
    if heap.count == capacity {
      // An equal value has a higher id here and is worse.
      guard let worst = heap.first, value > worst.value else { return }
      replaceWorst(RankedToken(value: value, id: id))
    } else {
      insert(RankedToken(value: value, id: id))
    }
  }

  /// What a value must exceed to be kept.
  var leastKept: Float { heap.count == capacity ? heap[0].value : -.infinity }

  func descending() -> [RankedToken] { heap.sorted { $0.isBetter(than: $1) } }

  func ascendingIDs() -> [RankedToken] { heap.sorted { $0.id < $1.id } }

  private mutating func insert(_ token: RankedToken) {
    heap.append(token)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[parent].isBetter(than: heap[child]) else { return }
      heap.swapAt(parent, child)
      child = parent
    }
  }

  private mutating func replaceWorst(_ token: RankedToken) {
    heap[0] = token
    var parent = 0
    while true {
      var worst = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < heap.count && heap[worst].isBetter(than: heap[child]) {
        worst = child
      }
      if worst == parent { return }
      heap.swapAt(parent, worst)
      parent = worst
    }
  }
}
