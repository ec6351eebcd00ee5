package import BlockwiseFiles

/// Grows a tree level by level for sources that take a pass of a network per level: the likeliest nodes of a level are asked for
/// what follows them, and of all that was found the likeliest stay (EAGLE-2, arXiv 2406.16858).
package enum LevelExpansion {
  private struct Found {
    var parent: Int
    var guess: RankedGuess
    var product: Float
  }

  /// - Parameters:
  ///   - depth: levels.
  ///   - width: nodes of a level that are asked.
  ///   - nodeCount: nodes that stay.
  ///   - minimum: nodes whose whole path is less likely are left out.
  ///   - isEnd: tokens behind which nothing is asked.
  ///   - followers: what may follow nodes of the tree so far (−1 for the root), for each of them in any order, each token
  ///     once. Called once per level.
  package static func tree(
    depth: Int, width: Int, nodeCount: Int, minimum: Float = 0.01, isEnd: (TokenID) -> Bool = { _ in false },
    followers: (_ tree: TokenTree, _ level: [Int]) async throws -> [[RankedGuess]]
  ) async throws -> TokenTree {
    var tree = TokenTree()
    var products: [Float] = []
    var level = [-1]
    for _ in 0..<depth where !level.isEmpty {
      let guesses = try await followers(tree, level)
      var found: [Found] = []
      for (node, own) in zip(level, guesses) {
        let product = node < 0 ? 1 : products[node]
        for guess in own where guess.probability > 0 {
          let whole = product * min(1, guess.probability)
          if whole >= minimum { found.append(Found(parent: node, guess: guess, product: whole)) }
        }
      }
      // A stable order: equal products stay as they were found.
      let order = found.indices.sorted { (-found[$0].product, $0) < (-found[$1].product, $1) }
      level = []
      for index in order {
        let next = found[index]
        let before = tree.count
        let node = tree.insert(
          next.guess.token, parent: next.parent, confidence: min(1, next.guess.probability))
        guard node == before else { continue }
        products.append(next.product)
        if level.count < width, !isEnd(next.guess.token) { level.append(node) }
      }
    }
    guard tree.count > nodeCount else { return tree }
    // A parent is never less likely than its children and comes before them, so that the likeliest nodes are a tree.
    let best = products.indices.sorted { (-products[$0], $0) < (-products[$1], $1) }.prefix(nodeCount)
    return tree.keeping(best.sorted())
  }
}
