/// How the attention of a sequence's rows is handed to threads: items of some rows and some query heads of one
/// key/value head.
///
/// Rows of an item share the reading of keys, so items are as large as threads allow; one row is shared by threads too.
/// The cut changes no result.
package struct AttentionSplit: Sendable, Hashable {
  /// What one item does.
  package struct Item: Sendable, Hashable {
    package let keyValueHead: Int
    package let rows: Range<Int>
    /// Query heads, counted within those of the key/value head.
    package let queries: Range<Int>
  }

  private let keyValueHeadCount: Int
  private let rowCount: Int
  private let queryCount: Int
  private let rowPartCount: Int
  private let queryPartCount: Int

  /// Queries from which on the reading of keys costs little beside the work on them.
  private static let amplyShared = 16
  /// Rows that threads claim at a time at most, so that all are done at about the same time.
  private static let mostRows = 32

  /// - Parameter queryCount: query heads of one key/value head.
  package init(keyValueHeadCount: Int, rowCount: Int, queryCount: Int, threadCount: Int) {
    self.keyValueHeadCount = keyValueHeadCount
    self.rowCount = rowCount
    self.queryCount = queryCount
    func quotient(_ value: Int, _ size: Int) -> Int { (value + size - 1) / size }
    guard threadCount > 1 else {
      (rowPartCount, queryPartCount) = (1, 1)
      return
    }
    // Two items for every thread where the rows suffice, one at least.
    let ample = rowCount * queryCount / Self.amplyShared
    let wanted = min(quotient(2 * threadCount, keyValueHeadCount), ample)
    let parts = max(wanted, quotient(threadCount, keyValueHeadCount), quotient(rowCount, Self.mostRows))
    rowPartCount = max(1, min(rowCount, parts))
    queryPartCount = min(queryCount, quotient(threadCount, keyValueHeadCount * rowPartCount))
  }

  package var itemCount: Int { keyValueHeadCount * rowPartCount * queryPartCount }

  package subscript(item: Int) -> Item {
    let queryPart = item % queryPartCount
    let rowPart = item / queryPartCount % rowPartCount
    return Item(
      keyValueHead: item / queryPartCount / rowPartCount,
      rows: rowCount * rowPart / rowPartCount..<rowCount * (rowPart + 1) / rowPartCount,
      queries: queryCount * queryPart / queryPartCount..<queryCount * (queryPart + 1) / queryPartCount)
  }
}
