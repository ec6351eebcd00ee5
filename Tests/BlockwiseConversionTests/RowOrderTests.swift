import BlockwiseModels
import Testing

@Suite struct RowOrderTests {
  @Test(arguments: [
    RowOrder.stored, .paired(headDimension: 6), .halved(headDimension: 6),
    .grouped(headCount: 4, headDimension: 6), .perHead(headCount: 4, headDimension: 6),
  ])
  func `an order moves every row once, and its inverse moves it back`(order: RowOrder) {
    let rows = (0..<72).map(order.source(of:))
    #expect(Set(rows).count == 72)
    #expect((0..<72).map { rows[order.inverse.source(of: $0)] } == Array(0..<72))
  }

  @Test func `pairs that rotate together come to lie side by side`() {
    let order = RowOrder.paired(headDimension: 4)
    #expect((0..<8).map(order.source(of:)) == [0, 2, 1, 3, 4, 6, 5, 7])
  }

  @Test func `heads of q, k and v come to lie in three groups`() {
    // Two heads of one element: q0 k0 v0 q1 k1 v1.
    let order = RowOrder.grouped(headCount: 2, headDimension: 1)
    #expect((0..<6).map(order.source(of:)) == [0, 3, 1, 4, 2, 5])
  }
}
