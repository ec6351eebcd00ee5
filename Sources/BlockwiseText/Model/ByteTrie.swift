/// Finds all entries that a text begins with at a place, in one walk over its bytes.
///
/// The children of a node lie side by side in the order of their bytes, so a node is twelve bytes and a step is a
/// binary search among few neighbours.
struct ByteTrie: Sendable {
  private struct Node {
    var firstChild: Int32 = 0
    /// The value of the entry that ends here, or −1.
    var value: Int32 = -1
    var childCount: UInt16 = 0
    var byte: UInt8
  }

  private var nodes: [Node] = []
  /// First byte → node, or −1.
  private var roots = [Int32](repeating: -1, count: 256)

  var isEmpty: Bool { nodes.isEmpty }

  /// - Parameter entries: texts with values that are not negative. Empty texts are ignored; of equal texts the one
  ///   with the lowest value counts.
  init(_ entries: [(text: ArraySlice<UInt8>, value: Int32)]) {
    let entries = entries.filter { !$0.text.isEmpty }.sorted { first, second in
      let isBefore = first.text.lexicographicallyPrecedes(second.text)
      return isBefore || (first.value < second.value && first.text.elementsEqual(second.text))
    }
    /// Entries that share their first `depth` bytes, whose node is to get its children.
    var pending: [(range: Range<Int>, depth: Int, parent: Int)] = [(0..<entries.count, 0, -1)]
    var next = 0
    while next < pending.count {
      let (range, depth, parent) = pending[next]
      next += 1
      // The entries are sorted, so those that end here come first.
      var start = range.lowerBound
      while start < range.upperBound, entries[start].text.count == depth { start += 1 }
      let firstChild = nodes.count
      while start < range.upperBound {
        let byte = entries[start].text[entries[start].text.startIndex + depth]
        var end = start + 1
        while end < range.upperBound,
          entries[end].text[entries[end].text.startIndex + depth] == byte
        { end += 1 }
        if parent < 0 { roots[Int(byte)] = Int32(nodes.count) }
        let value = entries[start].text.count == depth + 1 ? entries[start].value : -1
        pending.append((start..<end, depth + 1, nodes.count))
        nodes.append(Node(value: value, byte: byte))
        start = end
      }
      if parent >= 0 {
        nodes[parent].firstChild = Int32(firstChild)
        nodes[parent].childCount = UInt16(nodes.count - firstChild)
      }
    }
  }

  /// Calls `body` with the value and the end of every entry that stands at `start`, shortest first.
  @inline(__always)
  func forEachMatch(
    in text: UnsafeBufferPointer<UInt8>, at start: Int, _ body: (_ value: Int32, _ end: Int) -> Void
  ) {
    nodes.withUnsafeBufferPointer { nodes in
      var node = Int(roots[Int(text[start])])
      var index = start + 1
      while node >= 0 {
        if nodes[node].value >= 0 { body(nodes[node].value, index) }
        guard index < text.count else { return }
        node = Self.child(of: nodes[node], text[index], nodes)
        index += 1
      }
    }
  }

  /// The longest entry that stands at `start`.
  func longestMatch(in text: UnsafeBufferPointer<UInt8>, at start: Int) -> (value: Int32, end: Int)? {
    var longest: (Int32, Int)?
    forEachMatch(in: text, at: start) { longest = ($0, $1) }
    return longest
  }

  @inline(__always)
  private static func child(of node: Node, _ byte: UInt8, _ nodes: UnsafeBufferPointer<Node>) -> Int {
    var low = Int(node.firstChild)
    var count = Int(node.childCount)
    while count > 0 {
      let half = count / 2
      let found = nodes[low + half].byte
      if found == byte { return low + half }
      if found < byte {
        low += half + 1
        count -= half + 1
      } else {
        count = half
      }
    }
    return -1
  }
}
