/// Columns of text that end flush, under their titles.
struct TextTable {
  private var rows: [[String]]

  /// A table without rows.
  init(_ titles: [String]) { rows = [titles] }

  /// Adds a row with a cell for every title.
  mutating func append(_ cells: [String]) {
    precondition(cells.count == rows[0].count, "\(cells.count) cells under \(rows[0].count) titles")
    rows.append(cells)
  }

  /// The lines of the table.
  var lines: [String] {
    let widths = rows[0].indices.map { column in rows.reduce(0) { max($0, $1[column].count) } }
    return rows.map { row in
      zip(row, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }.joined(separator: "  ")
    }
  }
}
