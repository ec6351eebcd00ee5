import BlockwiseDecoding
import BlockwiseFiles
import Testing

@Suite struct TokenTreeTests {
  @Test func `nodes come after their parents and siblings keep their order`() {
    var tree = TokenTree()
    let first = tree.insert(7, parent: -1, confidence: 0.5)
    let second = tree.insert(8, parent: -1, confidence: 0.4)
    let child = tree.insert(9, parent: first, confidence: 0.3)
    #expect(tree.children(of: -1) == [first, second])
    #expect(tree.children(of: first) == [child])
    #expect(tree.children(of: second).isEmpty)
    #expect(tree.nodes.map(\.depth) == [1, 1, 2])
    #expect(tree.path(to: child) == [7, 9])
    #expect(tree.child(of: -1, token: 8) == second)
    #expect(tree.child(of: first, token: 8) == nil)
    #expect(tree.depth == 2)
  }

  @Test func `a guess that a sibling makes already is the same node`() {
    var tree = TokenTree(chain: [1, 2], confidence: 0.2)
    #expect(tree.insert(1, parent: -1, confidence: 0.9, sources: 2) == 0)
    #expect(tree.count == 2)
    #expect(tree.nodes[0].confidence == 0.9)
    #expect(tree.nodes[0].sources == 3)
  }

  @Test func `merged trees are the union of their paths`() {
    var merged = TokenTree()
    merged.merge(TokenTree(chain: [1, 2, 3]), source: 0)
    merged.merge(TokenTree(chain: [1, 2, 4]), source: 3)
    merged.merge(TokenTree(chain: [5]), source: 1)
    #expect(merged.nodes.map(\.token) == [1, 2, 3, 4, 5])
    #expect(merged.nodes.map(\.parent) == [-1, 0, 1, 1, -1])
    #expect(merged.nodes.map(\.sources) == [9, 9, 1, 8, 2])
  }

  @Test(arguments: 0..<20) func `a part of a random tree is a tree with the same paths`(seed: Int) {
    var random = TestRandom(seed: UInt64(seed))
    var tree = TokenTree()
    for _ in 0..<30 {
      tree.insert(
        TokenID(Int.random(in: 0..<4, using: &random)),
        parent: Int.random(in: -1..<max(0, tree.count), using: &random),
        confidence: 0.5)
    }
    var isKept = [Bool](repeating: false, count: tree.count)
    for (index, node) in tree.nodes.enumerated() where node.parent < 0 || isKept[node.parent] {
      isKept[index] = Bool.random(using: &random)
    }
    let kept = isKept.indices.filter { isKept[$0] }
    let part = tree.keeping(kept)
    #expect(part.count == kept.count, "seed \(seed)")
    for (index, original) in kept.enumerated() {
      #expect(part.path(to: index) == tree.path(to: original), "seed \(seed)")
      #expect(part.nodes[index].parent < index)
    }
  }
}
