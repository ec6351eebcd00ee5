internal import BlockwiseFiles
public import BlockwiseModels

/// Heads that guess from the last hidden state alone (Medusa, arXiv 2401.10774): head i names what may come i + 1 tokens behind the
/// root. In place of a fixed tree the likeliest combinations are guessed.
public struct MedusaSource: DraftSource {
  private let heads: DraftHeads
  private let depth: Int
  private let width: Int
  private let minimum: Float
  /// What a head is thought to cost before it is measured, in passes of one row.
  public let assumedStepCost: Double
  /// The last hidden state of the text, and its position.
  private var state: [Float] = []
  private var position = -1

  /// - Parameters:
  ///   - depth: heads that are asked, at most as many as there are.
  ///   - width: tokens of each head that are considered.
  ///   - minimum: paths that are less likely are not guessed.
  public init(heads: DraftHeads, depth: Int, width: Int = 10, minimum: Float = 0.01, stepCost: Double = 0.3) {
    self.heads = heads
    self.depth = min(depth, heads.depth ?? depth)
    self.width = width
    self.minimum = minimum
    assumedStepCost = stepCost
  }

  /// Yes.
  public var isCostly: Bool { true }
  /// The final one.
  public var wantedTaps: [OutputRequest.Tap] { heads.taps }

  /// Keeps the last state.
  public mutating func read(_ states: TokenStates) async throws {
    guard let values = states.values[.final], states.count > 0 else { return }
    state = Array(values.suffix(heads.hiddenSize))
    position = states.firstPosition + states.count - 1
  }

  /// The likeliest combinations of what the heads name.
  public mutating func propose(_ context: DraftContext) async throws -> TokenTree {
    // The state of the token before the root has predicted the root.
    guard position == context.tokens.count - 2, !state.isEmpty else { return TokenTree() }
    let depth = min(depth, context.maximumDepth)
    var named: [[Float]] = []
    for head in 0..<depth { named.append(try await heads.outputs(of: head, state)) }
    let width = width
    let best = named.map { HeadGuesses.best(width, of: $0[...], allowed: nil) }
    return BestFirstExpansion.tree(nodeCount: context.maximumNodeCount, depth: depth, minimum: minimum) {
      tree, node in
      let level = node < 0 ? 0 : tree.nodes[node].depth
      if node >= 0, context.stopTokens.contains(tree.nodes[node].token) { return [] }
      guard context.constraint != nil else { return best[level] }
      let mask = context.allowed(behind: tree.path(to: node), vocabularyCount: named[level].count)
      return HeadGuesses.best(width, of: named[level][...], allowed: mask)
    }
  }
}
