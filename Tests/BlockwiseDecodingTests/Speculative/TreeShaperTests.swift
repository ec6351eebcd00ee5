import BlockwiseDecoding
import BlockwiseFiles
import Testing

@Suite struct TreeShaperTests {
  private let costs = CostCurve([
    CostCurve.Point(rowCount: 1, milliseconds: 10), CostCurve.Point(rowCount: 11, milliseconds: 20),
  ])

  private func chain(_ count: Int) -> TokenTree { TokenTree(chain: (0..<count).map { TokenID($0) }) }

  @Test func `guesses are kept while the next one pays`() throws {
    let cost = try #require(costs)
    // A row costs a tenth of a pass. Of (1 + Σ chances) / cost, three guesses are the best.
    let chances = [0.8, 0.6, 0.4, 0.1, 0.05]
    let kept = CostShaper().select(chain(5), budget: DraftBudget(chances: chances, cost: cost))
    #expect(kept == [0, 1, 2])
    // Nothing that is unlikely is worth a row.
    #expect(CostShaper().select(chain(2), budget: DraftBudget(chances: [0.05, 0.02], cost: cost)).isEmpty)
  }

  @Test func `no more is risked than may be lost`() throws {
    let cost = try #require(costs)
    let chances = [0.9, 0.85, 0.8, 0.75]
    let kept = CostShaper().select(
      chain(4), budget: DraftBudget(chances: chances, cost: cost, allowance: 0.25))
    #expect(kept == [0, 1])
    #expect(
      CostShaper().select(chain(4), budget: DraftBudget(chances: chances, cost: cost, allowance: 0)).isEmpty)
  }

  @Test(arguments: 0..<40)
  func `every choice is a tree and a dearer pass never means more guesses`(seed: Int) throws {
    var random = TestRandom(seed: UInt64(seed))
    var tree = TokenTree()
    var chances: [Double] = []
    for _ in 0..<24 {
      let parent = Int.random(in: -1..<max(0, tree.count), using: &random)
      let before = tree.count
      tree.insert(TokenID(before), parent: parent, confidence: 0.5)
      chances.append((parent < 0 ? 1 : chances[parent]) * Double.random(in: 0.2...1, using: &random))
    }
    var last = Int.max
    for slope in [0.001, 0.02, 0.1, 0.5, 2] {
      let curve = try #require(
        CostCurve([
          CostCurve.Point(rowCount: 1, milliseconds: 1),
          CostCurve.Point(rowCount: 33, milliseconds: 1 + 32 * slope),
        ]))
      let kept = CostShaper().select(tree, budget: DraftBudget(chances: chances, cost: curve))
      #expect(kept == kept.sorted())
      #expect(
        kept.allSatisfy { tree.nodes[$0].parent < 0 || kept.contains(tree.nodes[$0].parent) }, "seed \(seed)")
      #expect(kept.count <= last, "seed \(seed)")
      last = kept.count
    }
    let best = BestShaper(count: 5).select(
      tree, budget: DraftBudget(chances: chances, cost: try #require(costs)))
    #expect(best.count == 5)
    #expect(best.allSatisfy { tree.nodes[$0].parent < 0 || best.contains(tree.nodes[$0].parent) })
  }

  @Test func `an estimate goes from the source's word to what was seen`() {
    var estimate = AcceptanceEstimate()
    #expect(abs(estimate.chance(confidence: 0.5, depth: 1) - 0.45) < 1e-6)
    #expect(estimate.chance(confidence: 1, depth: 3) == 1)
    for _ in 0..<60 { estimate.record(confidence: 0.5, depth: 1, isRight: false) }
    #expect(estimate.chance(confidence: 0.5, depth: 1) < 0.1)
    // Other confidences and depths have their own.
    #expect(estimate.chance(confidence: 0.9, depth: 1) > 0.7)
    #expect(estimate.chance(confidence: 0.5, depth: 2) > 0.4)
    for _ in 0..<60 { estimate.record(confidence: 0.5, depth: 1, isRight: true) }
    #expect(estimate.chance(confidence: 0.5, depth: 1) > 0.8)
  }
}
