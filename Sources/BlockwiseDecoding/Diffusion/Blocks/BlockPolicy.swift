public import BlockwiseFiles

/// Slot *block*: which positions may be worked on.
public protocol BlockPolicy: RecipePolicy {
  /// Slots that the pass that opens a block looks at; its length is chosen among them.
  /// - Parameters:
  ///   - remaining: slots that no block has had yet.
  ///   - budget: slots of the whole answer.
  func window(remaining: Int, budget: Int) -> Int
  /// The length of the block that the candidates of an opening pass ask for, at least 1 and at most `remaining`.
  /// - Parameter candidates: the first ``window(remaining:budget:)`` slots; nil for known ones.
  func length(candidates: [Candidate?], delimiters: Set<TokenID>, remaining: Int, budget: Int) -> Int
  /// Slots of the parts of a block that are finished one after the other; nil when all of it is open at once.
  var subBlockSize: Int? { get }
  /// The size of blocks that all begin at multiples of it; nil where lengths vary.
  var gridSize: Int? { get }
}

extension BlockPolicy {
  /// All of it at once.
  public var subBlockSize: Int? { nil }
  /// No grid.
  public var gridSize: Int? { nil }
}

/// The block policies there are.
enum BlockPolicies {
  static let all: [any RecipePolicy.Type] = [FixedBlocks.self, AdaptiveBlocks.self, WholeCanvas.self]
  static let missing: [String: String] = [
    "cycle": "the two phases of SlowFast sampling are not built"
  ]
}
