internal import BlockwiseFiles
internal import BlockwiseModels
internal import Foundation

/// Typical acceptance (Medusa, arXiv 2401.10774): a guess is accepted where the model finds it likely enough,
/// `p(x) > min(ε, α · exp(−H(p)))`; of the accepted paths the longest counts, among equals the likeliest. It changes the
/// distribution of the text, by design.
public struct TypicalAcceptance: AcceptRule {
  /// The name in recipes.
  public static let name = "typical"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [
    .number("epsilon", 0...1, 0.09), .number("alpha", 0...1, 0.3),
  ]
  /// The probability that is always enough.
  public var epsilon: Double
  /// The share of `exp(−H)` that is enough.
  public var alpha: Double
  /// The path that the root's verdict chose: nodes that are still to be taken.
  private var path: [Int] = []

  /// The policy.
  public init(epsilon: Double = 0.09, alpha: Double = 0.3) {
    self.epsilon = epsilon
    self.alpha = alpha
  }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init(epsilon: values[0].double, alpha: values[1].double) }
  /// The values of the parameters.
  public var values: [PolicyValue] { [.number(epsilon), .number(alpha)] }
  /// Yes.
  public var isLossy: Bool { true }
  /// Any guesses will do.
  public var needsWholeTree: Bool { false }
  /// Yes: what is guessed has a chance that what is not guessed has not.
  public var textFollowsGuesses: Bool { true }

  /// The probability from which on a token of a distribution is typical.
  public func threshold(_ probabilities: [Float]) -> Double {
    let entropy = probabilities.reduce(0.0) { $1 > 0 ? $0 - Double($1) * log(Double($1)) : $0 }
    return min(epsilon, alpha * exp(-entropy))
  }

  /// Takes the next node of the chosen path; behind its end the token is drawn as usual.
  public mutating func decide(
    _ node: Int, of tree: TokenTree, with reader: inout RowReader
  ) throws -> AcceptVerdict {
    if node < 0 { path = try best(behind: node, of: tree, path: [], with: &reader).nodes }
    if let next = path.first {
      path.removeFirst()
      let token = tree.nodes[next].token
      // A constraint speaks of one token at a time: where it forbids the path, the text leaves it.
      if reader.allowed?.contains(token) ?? true {
        return AcceptVerdict(try reader.describe(token, node), next: next)
      }
      path = []
    }
    let sampled = try reader.sample(node)
    let next = tree.child(of: node, token: sampled.token)
    return AcceptVerdict(sampled, next: next)
  }

  private func best(
    behind node: Int, of tree: TokenTree, path: [TokenID], with reader: inout RowReader
  ) throws -> (nodes: [Int], logProbability: Double) {
    let children = tree.children(of: node)
    guard !children.isEmpty else { return ([], 0) }
    let pairs = try reader.distribution(node, behind: path)
    let least = threshold(pairs.map(\.probability))
    var found: (nodes: [Int], logProbability: Double) = ([], 0)
    for child in children {
      let token = tree.nodes[child].token
      guard let pair = pairs.first(where: { $0.token == token }), Double(pair.probability) > least else {
        continue
      }
      var longer = try best(behind: child, of: tree, path: path + [token], with: &reader)
      longer.nodes.insert(child, at: 0)
      longer.logProbability += log(Double(pair.probability))
      if longer.nodes.count > found.nodes.count
        || longer.nodes.count == found.nodes.count && longer.logProbability > found.logProbability
      {
        found = longer
      }
    }
    return found
  }
}
