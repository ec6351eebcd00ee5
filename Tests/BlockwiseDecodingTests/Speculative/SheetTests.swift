import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import Foundation
import Testing

/// Hand cases of the sheets on Hydra, recursive speculative decoding and ADED that no other test holds.
@Suite struct SheetTests {
  @Test func `a static tree of Medusa has the positions and the mask of the hand case`() async throws {
    // Choices [0], [1], [0, 0]: the root, two children of it and one of the first.
    var tree = TokenTree()
    let first = tree.insert(7, parent: -1, confidence: 0.5)
    tree.insert(8, parent: -1, confidence: 0.4)
    tree.insert(9, parent: first, confidence: 0.3)
    let plan = BlockPlan(
      tree: [5] + tree.nodes.map(\.token), parents: [-1] + tree.nodes.map { $0.parent + 1 }, prefixLength: 3)
    #expect(plan.positions == [3, 4, 4, 5])
    // A model that says how many tokens a row sees, and which was the one before.
    let model = TableModel(vocabularyCount: 12) { _, seen in
      var logits = [Float](repeating: 0, count: 12)
      logits[min(11, seen.count)] = 2
      logits[seen.count > 1 ? seen[seen.count - 2].token.index : 0] += 1
      return logits
    }
    let cache = try model.makeCache()
    let result = BlockResultBuffer()
    try await model.forward(
      [SequencePass(plan: BlockPlan(tokens: [1, 2, 3], at: 0), cache: cache)], into: result)
    try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
    // Row 3 sees the three tokens of the prefix, the root, node 1 and itself, and not node 2.
    #expect((0..<4).map { result.statistics(output: $0).top.index } == [4, 5, 5, 6])
    #expect(result.statistics(output: 3).second == 7)
    let leaves = tree.nodes.indices.filter { tree.children(of: $0).isEmpty }.map { tree.path(to: $0) }
    #expect(leaves == [[8], [7, 9]])
  }

  @Test func `pairs drawn without replacement have the frequencies of the sheet`() async throws {
    let q = [0.5, 0.3, 0.2]
    var counts = [Int](repeating: 0, count: 9)
    for seed in 0..<40_000 {
      var source = try DraftModelSource(
        model: AcceptanceTests.model(q), growth: .branching([2]), contextLength: 16, vocabularyLimit: 3)
      let tree = try await source.propose(
        DraftContext(tokens: [0, 1], sampling: SamplingOptions(temperature: 1, seed: UInt64(seed))))
      counts[tree.nodes[0].token.index * 3 + tree.nodes[1].token.index] += 1
    }
    var expected = [Double](repeating: 0, count: 9)
    for a in 0..<3 { for b in 0..<3 where a != b { expected[a * 3 + b] = q[a] * q[b] / (1 - q[a]) } }
    #expect(agrees(counts, with: expected), "\(counts)")
  }

  @Test func `beams as wide as the tree keep all of it, the likeliest first more often`() async throws {
    let q = [0.6, 0.3, 0.1]
    var firsts = [Int](repeating: 0, count: 3)
    for seed in 0..<4000 {
      var source = try DraftModelSource(
        model: AcceptanceTests.model(q), growth: .beams(width: 9, depth: 2), contextLength: 16,
        vocabularyLimit: 3)
      let tree = try await source.propose(
        DraftContext(tokens: [0, 1], sampling: SamplingOptions(temperature: 1, seed: UInt64(seed))))
      #expect(tree.nodes.filter { $0.depth == 1 }.count == 3)
      #expect(tree.nodes.filter { $0.depth == 2 }.count == 9)
      // The first child carries the largest perturbed score: it is drawn as the distribution says.
      firsts[tree.nodes[0].token.index] += 1
      // And the first sequence of the last level goes on behind it: a parent's score is the largest of its children's.
      let best = tree.nodes.first { $0.depth == 2 }
      #expect(best?.parent == 0)
    }
    #expect(agrees(firsts, with: q), "\(firsts)")
  }

  @Test func `a weight of the published tri-grams grows by 0.04 with every occurrence, up to 3`() {
    var source = PublishedTrigramSource()
    #expect(source.weight(3, behind: [1, 2]) == 0)
    for call in 1...100 {
      _ = source.propose(DraftContext(tokens: [1, 2, 3]))
      #expect(abs(source.weight(3, behind: [1, 2]) - min(3, 0.04 * Float(call))) < 1e-4, "call \(call)")
    }
  }

  @Test func `levels grow by the likeliest paths and stay a tree within the budget`() async throws {
    // Two followers of every node, 0.6 and 0.4: the likeliest five nodes are known.
    let tree = try await LevelExpansion.tree(depth: 3, width: 2, nodeCount: 5) { _, level in
      level.map { _ in
        [RankedGuess(token: 1, probability: 0.6), RankedGuess(token: 2, probability: 0.4)]
      }
    }
    #expect(tree.nodes.indices.map { tree.path(to: $0) } == [[1], [2], [1, 1], [1, 2], [2, 1]])
    // An end is a guess that nothing follows.
    let ended = try await LevelExpansion.tree(depth: 3, width: 2, nodeCount: 9, isEnd: { $0 == 1 }) {
      _, level in
      level.map { _ in [RankedGuess(token: 1, probability: 0.6)] }
    }
    #expect(ended.count == 1)
  }
}
