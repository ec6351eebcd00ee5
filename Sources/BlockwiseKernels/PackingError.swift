/// Why a weight matrix could not be packed. The caller knows the file and the tensor and adds their names.
public enum PackingError: Error, Hashable, CustomStringConvertible {
  /// A weight (or the scale of its block) is NaN or infinite. `row` counts the rows of the packed matrix.
  case nonFinite(row: Int)
  /// Rows of a block format must be whole blocks.
  case raggedRow(blockElementCount: Int, columns: Int)
  /// A dimension is not positive, or the matrix does not fit in the address space.
  case size(rows: Int, columns: Int)
  /// The machine refused the memory.
  case outOfMemory(byteCount: Int)

  /// One sentence: what was found and what was expected.
  public var description: String {
    switch self {
    case .nonFinite(let row):
      "row \(row) holds a NaN or infinite weight; expected finite numbers"
    case .raggedRow(let blockElementCount, let columns):
      "rows of \(columns) elements; expected a multiple of the block of \(blockElementCount)"
    case .size(let rows, let columns):
      "a matrix of \(rows) × \(columns); expected positive dimensions that fit in memory"
    case .outOfMemory(let byteCount):
      "\(byteCount) bytes for packed weights could not be had"
    }
  }
}
