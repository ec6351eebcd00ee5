public import BlockwiseFiles

/// Consecutive blocks of one size: semi-autoregressive decoding (LLaDA, arXiv 2502.09992), and the blocks of models that
/// were trained with some. The last one may be shorter.
public struct FixedBlocks: BlockPolicy {
  public static let name = "fixed"
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

  public init(_ values: [PolicyValue]) throws {
    self.init(values[0].int, subSize: values[1].int)
    guard subSize <= size else {
      throw PolicyProblem(parameter: 1, reason: "a sub-block of \(subSize) in blocks of \(size)")
    }
  }

  public var values: [PolicyValue] { subSize == 0 ? [.whole(size)] : [.whole(size), .whole(subSize)] }
  public var subBlockSize: Int? { subSize > 0 && subSize < size ? subSize : nil }
  public var gridSize: Int? { size }
  public func window(remaining: Int, budget: Int) -> Int { min(size, remaining) }
  public func length(candidates: [Candidate?], delimiters: Set<TokenID>, remaining: Int, budget: Int) -> Int {
    min(size, remaining)
  }
}
