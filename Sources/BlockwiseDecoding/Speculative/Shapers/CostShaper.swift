/// Keeps as many of the likeliest guesses as give the most tokens per time: of n guesses the pass is expected to bring
/// `1 + Σ chances` tokens and costs `L(n + 1)`, and where that is best with n = 0, nothing is guessed. So guessing stops by
/// itself where it does not pay.
///
/// Estimates can be wrong, so what may be lost is bounded as well: a pass whose guesses all turn out wrong must not cost
/// more than the allowance, which the decoder keeps at the share `loss` of what reading the prompt and decoding have taken, plus what
/// guessing has saved.
public struct CostShaper: TreeShaper {
  /// The name in recipes.
  public static let name = "cost"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [
    .whole("limit", 1...512, 32), .number("loss", 0...1, 0.03),
  ]
  /// Most guesses of a pass.
  public var nodeLimit: Int
  /// So much of the time of plain decoding may be lost.
  public var loss: Double

  /// The policy.
  public init(limit: Int = 32, loss: Double = 0.03) {
    nodeLimit = limit
    self.loss = loss
  }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init(limit: values[0].int, loss: values[1].double) }
  /// The values of the parameters.
  public var values: [PolicyValue] { [.whole(nodeLimit), .number(loss)] }
  /// The largest loss that is kept for every single request, however short. Whoever allows more lets guessing begin at once, as if
  /// eight tokens had been decoded.
  static let strictLoss = 0.03

  /// Yes.
  public var looksAtGuesses: Bool { true }

  /// The best prefix of the ranking.
  public func select(_ tree: TokenTree, budget: DraftBudget) -> [Int] {
    let ranking = budget.ranking.prefix(nodeLimit)
    var best = (rate: 1 / (1 + budget.draftCost), count: 0)
    var tokens = 1.0
    for (index, node) in ranking.enumerated() {
      tokens += budget.chances[node]
      let cost = budget.cost.relativeCost(rows: index + 2) + budget.draftCost
      if cost - 1 > budget.allowance { break }
      if tokens / cost > best.rate { best = (tokens / cost, index + 1) }
    }
    return ranking.prefix(best.count).sorted()
  }
}
