public import BlockwiseFiles

/// Consecutive blocks of one size: semi-autoregressive decoding (LLaDA, arXiv 2502.09992), and the blocks of models that
/// were trained with some. The last one may be shorter.
public struct FixedBlocks: BlockPolicy {
  /// The name in recipes.
  public static let name = "fixed"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [
    .whole("size", 1...1 << 16), .whole("sub-block", 0...1 << 16, 0),
  ]
  /// Slots of a block.
  public var size: Int
  /// Slots of the parts that are finished one after the other (Fast-dLLM v2, arXiv 2509.26328); 0 for none.
  public var subSize: Int

  /// Blocks of `size`, in parts of `subSize`.
  public init(_ size: Int, subSize: Int = 0) {
    self.size = size
    self.subSize = subSize
  }

  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) throws {
    self.init(values[0].int, subSize: values[1].int)
    guard subSize <= size else {
      throw PolicyProblem(parameter: 1, reason: "a sub-block of \(subSize) in blocks of \(size)")
    }
  }

  /// The values of the parameters.
  public var values: [PolicyValue] { subSize == 0 ? [.whole(size)] : [.whole(size), .whole(subSize)] }
  /// Slots of the parts that are finished one after the other.
  public var subBlockSize: Int? { subSize > 0 && subSize < size ? subSize : nil }
  /// The size of blocks on a grid.
  public var gridSize: Int? { size }
  /// Slots that the opening pass looks at.
  public func window(remaining: Int, budget: Int) -> Int { min(size, remaining) }
  /// The length of a block.
  public func length(candidates: [Candidate?], delimiters: Set<TokenID>, remaining: Int, budget: Int) -> Int {
    min(size, remaining)
  }
}
