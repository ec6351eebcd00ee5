public import BlockwiseFiles
public import BlockwiseKernels

/// What becomes of one tensor of a checkpoint when it is loaded.
public struct WeightPlacement: Sendable, Hashable {
  /// How passes read the weights.
  public enum Path: String, Sendable, Hashable, CaseIterable {
    /// Products with vector code.
    case vector
    /// Products in the reference's plain C, as the instruction set has no code for the format.
    case scalar
    /// Blocks of the file, which every product decodes into tiles.
    case decoded
    /// Single rows, as those of an embedding that is no head; no product reads it.
    case rows
    /// Numbers that are added or multiplied one by one, such as those of norms and biases.
    case elements
  }

  /// The name in the file.
  public var name: String
  /// How the file stores it.
  public var type: TensorType
  /// The format in memory; nil where the blocks of the file stay.
  public var format: WeightFormat?
  /// How passes read it.
  public var path: Path
  /// Bytes in the file.
  public var fileByteCount: Int
  /// Bytes in memory.
  public var byteCount: Int

  /// Whether products with these weights are slower, or the weights larger, than a kernel for the file's own type would
  /// make them.
  public var isFallback: Bool {
    switch path {
    case .scalar, .decoded: true
    case .vector: byteCount > fileByteCount
    case .rows, .elements: false
    }
  }
}
