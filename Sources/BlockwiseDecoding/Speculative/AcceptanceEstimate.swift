/// How often a source has been right, by how sure it was and how far ahead it guessed: what turns its confidence into a
/// chance. Old rounds fade, so that the estimate follows the text.
public struct AcceptanceEstimate: Sendable, Hashable {
  private struct Cell: Sendable, Hashable {
    var right = 0.0
    var tried = 0.0
  }

  private var cells = [Cell](repeating: Cell(), count: depthCount * confidenceCount)

  private static let depthCount = 4
  private static let confidenceCount = 10
  /// What a round counts less with every round after it.
  private static let fading = 0.97
  /// Rounds that the source's own confidence counts for.
  private static let priorWeight = 4.0
  /// A source is believed so much before it has shown what it is worth.
  private static let trust = 0.9

  /// Nothing known yet.
  public init() {}

  private static func index(confidence: Float, depth: Int) -> Int {
    let row = depth <= 1 ? 0 : depth == 2 ? 1 : depth <= 4 ? 2 : 3
    return row * confidenceCount + min(confidenceCount - 1, max(0, Int(confidence * Float(confidenceCount))))
  }

  /// The chance of a guess, given that its parent is right.
  public func chance(confidence: Float, depth: Int) -> Double {
    // What cannot be wrong is not doubted.
    if confidence >= 1 { return 1 }
    let cell = cells[Self.index(confidence: confidence, depth: depth)]
    let prior = Double(min(0.98, max(0.005, confidence))) * Self.trust
    return (cell.right + Self.priorWeight * prior) / (cell.tried + Self.priorWeight)
  }

  /// Takes in that a guess, whose parent was right, was right or not.
  public mutating func record(confidence: Float, depth: Int, isRight: Bool) {
    let index = Self.index(confidence: confidence, depth: depth)
    cells[index].right = cells[index].right * Self.fading + (isRight ? 1 : 0)
    cells[index].tried = cells[index].tried * Self.fading + 1
  }
}
