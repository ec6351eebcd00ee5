internal import BlockwiseFiles

/// Recursive rejection (speculative sampling, arXiv 2211.17192, in its form for siblings drawn without replacement,
/// arXiv 2402.14160): a guess is accepted with probability `min(1, r / q)`, where q is what it was drawn from and r what
/// is left of the model's distribution p after the siblings before it. The text follows p exactly, but with other draws
/// than plain decoding makes. Where q is near p it accepts more than drawing first and comparing then.
///
/// Guesses that were not drawn count as drawn from a distribution that holds nothing else.
public struct RejectionAcceptance: AcceptRule {
  /// The name in recipes.
  public static let name = "reject"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = []

  /// The policy.
  public init() {}
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init() }
  /// The values of the parameters.
  public var values: [PolicyValue] { [] }
  /// No: the distribution is that of plain decoding.
  public var isLossy: Bool { false }
  /// What was drawn has to be judged as it was drawn.
  public var needsWholeTree: Bool { true }
  /// Yes, for one seed; over all seeds no.
  public var textFollowsGuesses: Bool { true }

  /// Judges the siblings in the order in which they were drawn.
  public func decide(
    _ node: Int, of tree: TokenTree, with reader: inout RowReader
  ) throws -> AcceptVerdict {
    let target = try reader.distribution(node)
    let children = tree.children(of: node)
    let residual = Residual(target.map(\.token), target.map { Double($0.probability) })
    let draws = tree.draws[node].map {
      Residual($0.tokens, $0.probabilities.map { Double($0) })
    }
    var mass = 1.0
    for (order, child) in children.enumerated() {
      let token = tree.nodes[child].token
      if let draws {
        let drawn = draws.weight(of: token)
        // A sibling of no weight was not drawn; rounding can do that. It says nothing.
        guard drawn > 0, mass > 0 else { continue }
        if reader.uniform(.acceptance, draw: order) * drawn / mass < residual.weight(of: token) {
          return AcceptVerdict(try reader.describe(token, node), next: child)
        }
        residual.subtract(draws, scale: 1 / mass)
        draws.remove(token)
        mass = draws.total
      } else {
        if reader.uniform(.acceptance, draw: order) < residual.weight(of: token) {
          return AcceptVerdict(try reader.describe(token, node), next: child)
        }
        residual.remove(token)
        residual.normalise()
      }
    }
    let token = residual.draw(reader.uniform(.token)) ?? target.last?.token
    guard let token else { throw SamplingError.nothingAllowed(position: reader.position) }
    return AcceptVerdict(try reader.describe(token, node), next: nil)
  }
}

/// Weights of tokens, in the order of the ids.
private final class Residual {
  private let tokens: [TokenID]
  private var weights: [Double]

  init(_ tokens: [TokenID], _ weights: [Double]) {
    self.tokens = tokens
    self.weights = weights
  }

  var total: Double { weights.reduce(0, +) }

  private func index(of token: TokenID) -> Int? {
    var low = 0
    var high = tokens.count
    while low < high {
      let middle = (low + high) / 2
      if tokens[middle] < token { low = middle + 1 } else { high = middle }
    }
    return low < tokens.count && tokens[low] == token ? low : nil
  }

  func weight(of token: TokenID) -> Double { index(of: token).map { weights[$0] } ?? 0 }

  func remove(_ token: TokenID) {
    if let index = index(of: token) { weights[index] = 0 }
  }

  /// `max(0, self − scale · other)`, normalised. Where nothing is left both are equal up to rounding: then nothing changes.
  func subtract(_ other: Residual, scale: Double) {
    var rest = weights
    var place = 0
    for (token, weight) in zip(other.tokens, other.weights) {
      while place < tokens.count, tokens[place] < token { place += 1 }
      guard place < tokens.count, tokens[place] == token else { continue }
      rest[place] = max(0, rest[place] - scale * weight)
    }
    guard rest.reduce(0, +) > 1e-12 else { return }
    weights = rest
    normalise()
  }

  func normalise() {
    let sum = total
    guard sum > 0 else { return }
    for index in weights.indices { weights[index] /= sum }
  }

  /// The token whose interval holds a number in [0, 1).
  func draw(_ number: Double) -> TokenID? {
    var rest = number * total
    var chosen: TokenID?
    for (token, weight) in zip(tokens, weights) where weight > 0 {
      chosen = token
      rest -= weight
      if rest < 0 { break }
    }
    return chosen
  }
}
