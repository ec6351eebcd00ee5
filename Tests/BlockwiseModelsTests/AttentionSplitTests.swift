import BlockwiseModels
import Testing

@Suite struct AttentionSplitTests {
  @Test func `every row meets every query head once`() {
    for threads in [1, 2, 3, 8, 64] {
      for heads in [1, 2, 8] {
        for queries in [1, 3, 7, 16] {
          for rows in [1, 2, 5, 32, 257] {
            let split = AttentionSplit(
              keyValueHeadCount: heads, rowCount: rows, queryCount: queries, threadCount: threads)
            var seen = [Int](repeating: 0, count: heads * rows * queries)
            for index in 0..<split.itemCount {
              let item = split[index]
              #expect(!item.rows.isEmpty && !item.queries.isEmpty)
              for row in item.rows {
                for query in item.queries { seen[(item.keyValueHead * rows + row) * queries + query] += 1 }
              }
            }
            #expect(
              seen.allSatisfy { $0 == 1 },
              "\(threads) threads, \(heads) heads of \(queries) queries, \(rows) rows")
          }
        }
      }
    }
  }

  @Test func `threads share even one row of one key/value head`() {
    for threads in 2...4 {
      let split = AttentionSplit(keyValueHeadCount: 1, rowCount: 1, queryCount: 4, threadCount: threads)
      #expect(split.itemCount == threads)
    }
    #expect(AttentionSplit(keyValueHeadCount: 2, rowCount: 1, queryCount: 7, threadCount: 2).itemCount == 2)
  }

  @Test func `many rows are more than one item for every thread`() {
    for rows in [32, 256] {
      let split = AttentionSplit(keyValueHeadCount: 2, rowCount: rows, queryCount: 7, threadCount: 4)
      #expect(split.itemCount >= 8)
      #expect((0..<split.itemCount).allSatisfy { split[$0].rows.count <= 32 })
    }
  }
}
