internal import BlockwiseFiles

/// Grows a tree in the order of how likely its nodes are: each step adds the most likely guess there is, so that any number
/// of nodes is the best choice of that many (a clean form of the searches of ADED and Token Recycling).
enum BestFirstExpansion {
  private struct Candidate {
    var parent: Int
    var guess: RankedGuess
    var product: Float
  }

  /// - Parameters:
  ///   - minimum: guesses whose whole path is less likely are left out.
  ///   - successors: what may follow a node (−1 for the root) of the tree so far, in any order, each token once.
  static func tree(
    nodeCount: Int, depth: Int, minimum: Float = 0.01,
    successors: (_ tree: TokenTree, _ node: Int) -> [RankedGuess]
  ) -> TokenTree {
    var tree = TokenTree()
    var products: [Float] = []
    var candidates: [Candidate] = []
    func open(_ node: Int) {
      let reached = node < 0 ? 0 : tree.nodes[node].depth
      guard reached < depth else { return }
      let product = node < 0 ? 1 : products[node]
      for guess in successors(tree, node) where guess.probability > 0 {
        let whole = product * min(1, guess.probability)
        if whole >= minimum { candidates.append(Candidate(parent: node, guess: guess, product: whole)) }
      }
    }
    open(-1)
    while tree.count < nodeCount, !candidates.isEmpty {
      // Few candidates: a scan is as good as a heap, and the first of equals is the one that was found first.
      var best = 0
      for index in candidates.indices where candidates[index].product > candidates[best].product {
        best = index
      }
      let next = candidates.remove(at: best)
      let before = tree.count
      let node = tree.insert(
        next.guess.token, parent: next.parent, confidence: min(1, next.guess.probability))
      guard node == before else { continue }
      products.append(next.product)
      open(node)
    }
    return tree
  }
}
