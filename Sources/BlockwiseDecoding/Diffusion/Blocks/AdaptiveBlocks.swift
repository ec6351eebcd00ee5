public import BlockwiseFiles

/// AdaBlock (arXiv 2509.26432): a block ends at the most confident delimiter that the opening pass predicts inside a window.
///
/// The confidence is that of the predicted token; the strongest delimiter wins, not the nearest. Beyond the paper: a
/// smallest block, so that a line end at once does not cost a pass for one token, and a window that does not grow with
/// the budget.
public struct AdaptiveBlocks: BlockPolicy {
  /// The name in recipes.
  public static let name = "ada"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [
    .whole("size", 1...1 << 16), .number("threshold", 0...2), .whole("minimum", 1...1 << 16, 1),
    .whole("window", 0...1 << 16, 0),
  ]
  /// The block where no delimiter is confident enough.
  public var size: Int
  /// The least confidence of a delimiter; above 1 blocks are fixed.
  public var threshold: Float
  /// The smallest block.
  public var minimum: Int
  /// Slots that are searched; 0 for a quarter of the budget, as published.
  public var searched: Int

  /// The policy.
  public init(_ size: Int, threshold: Float, minimum: Int = 1, window: Int = 0) {
    self.size = size
    self.threshold = threshold
    self.minimum = minimum
    searched = window
  }

  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) throws {
    self.init(
      values[0].int, threshold: Float(values[1].double), minimum: values[2].int, window: values[3].int)
    guard minimum <= size else {
      throw PolicyProblem(parameter: 2, reason: "a smallest block of \(minimum) with blocks of \(size)")
    }
  }

  /// The values of the parameters.
  public var values: [PolicyValue] {
    [.whole(size), .number(Double("\(threshold)") ?? Double(threshold)), .whole(minimum), .whole(searched)]
  }

  private func searchedCount(remaining: Int, budget: Int) -> Int {
    min(searched > 0 ? searched : budget / 4, remaining)
  }

  /// Slots that the opening pass looks at.
  public func window(remaining: Int, budget: Int) -> Int {
    min(remaining, max(size, searchedCount(remaining: remaining, budget: budget), 1))
  }

  /// The length of a block.
  public func length(candidates: [Candidate?], delimiters: Set<TokenID>, remaining: Int, budget: Int) -> Int {
    var best: (slot: Int, probability: Float)?
    let searched = candidates.prefix(searchedCount(remaining: remaining, budget: budget))
    for (slot, candidate) in searched.enumerated() {
      guard let candidate, delimiters.contains(candidate.token) else { continue }
      if candidate.probability > best?.probability ?? -1 { best = (slot, candidate.probability) }
    }
    guard let best, best.probability >= threshold else { return min(size, remaining) }
    return min(remaining, max(minimum, best.slot + 1))
  }
}
