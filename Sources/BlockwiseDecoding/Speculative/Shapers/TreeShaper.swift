/// Slot *shape*: which of the guesses go into the next pass.
public protocol TreeShaper: RecipePolicy {
  /// Sources need not guess more than this.
  var nodeLimit: Int { get }
  /// Whether it looks at what was guessed. Trees that were drawn must not be cut so: which guesses are left would say
  /// something of the draws, and the text would no longer follow the model's distribution.
  var looksAtGuesses: Bool { get }
  /// The guesses that are kept, in increasing order, each with its parent.
  func select(_ tree: TokenTree, budget: DraftBudget) -> [Int]
}

/// What a shaper weighs.
public struct DraftBudget: Sendable, Hashable {
  /// How likely every node is to become part of the text: the product of the estimates along its path.
  public var chances: [Double]
  /// What passes cost.
  public var cost: CostCurve
  /// What proposing has cost, in passes of one row.
  public var draftCost: Double
  /// So much may be lost if every guess is wrong, in passes of one row.
  public var allowance: Double

  /// A budget; see the members.
  public init(chances: [Double], cost: CostCurve, draftCost: Double = 0, allowance: Double = .infinity) {
    self.chances = chances
    self.cost = cost
    self.draftCost = draftCost
    self.allowance = allowance
  }

  /// The nodes from the likeliest on; of equals the first, so that parents come before their children.
  var ranking: [Int] { chances.indices.sorted { (chances[$1], $0) < (chances[$0], $1) } }
}

/// The shapers there are.
enum TreeShapers {
  static let all: [any RecipePolicy.Type] = [CostShaper.self, BestShaper.self, WholeShaper.self]
  static let missing: [String: String] = [
    "static": "fixed templates are not built: sources order their guesses by what they expect of them"
  ]
}
