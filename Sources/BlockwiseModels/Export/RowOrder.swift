/// Which row of the stored tensor becomes which row of the written one.
package enum RowOrder: Sendable, Hashable {
  /// Row by row.
  case stored
  /// Rows `(i, i + d/2)` of each head, which rotate together, come to lie side by side: GGUF's llama layout.
  case paired(headDimension: Int)
  /// The inverse of ``paired(headDimension:)``.
  case halved(headDimension: Int)
  /// From `[q; k; v]` of each head in turn to all of q, then k, then v: GGUF's layout of GPT-NeoX.
  case grouped(headCount: Int, headDimension: Int)
  /// The inverse of ``grouped(headCount:headDimension:)``.
  case perHead(headCount: Int, headDimension: Int)

  /// The stored row that is written as row `row`.
  package func source(of row: Int) -> Int {
    switch self {
    case .stored: return row
    case .paired(let size):
      let (head, place) = (row / size, row % size)
      return head * size + place % 2 * (size / 2) + place / 2
    case .halved(let size):
      let (head, place) = (row / size, row % size)
      return head * size + place % (size / 2) * 2 + place / (size / 2)
    case .grouped(let headCount, let size):
      let (part, inner) = (row / (headCount * size), row % (headCount * size))
      return (inner / size * 3 + part) * size + inner % size
    case .perHead(let headCount, let size):
      let (head, inner) = (row / (3 * size), row % (3 * size))
      return inner / size * headCount * size + head * size + inner % size
    }
  }

  /// The order that undoes this one.
  package var inverse: RowOrder {
    switch self {
    case .stored: .stored
    case .paired(let size): .halved(headDimension: size)
    case .halved(let size): .paired(headDimension: size)
    case .grouped(let count, let size): .perHead(headCount: count, headDimension: size)
    case .perHead(let count, let size): .grouped(headCount: count, headDimension: size)
    }
  }
}
