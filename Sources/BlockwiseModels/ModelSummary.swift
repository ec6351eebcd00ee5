public import BlockwiseKernels

/// What was loaded and how it is computed.
public struct ModelSummary: Sendable, Hashable {
  /// The family of the checkpoint, as in its traits.
  public var family: String
  /// The file or folder of the weights.
  public var file: String
  /// Numbers that were trained.
  public var parameterCount: Int
  /// Bytes of the packed weights in memory.
  public var weightByteCount: Int
  /// Parameters per weight format.
  public var formats: [WeightFormat: Int]
  /// Whether quantised weights are multiplied with activations rounded to int8.
  public var computesInt8: Bool
  /// Whether block types keep the blocks of their file, to be decoded in every pass, because their resident format would
  /// have taken too much memory.
  public var keepsBlocks: Bool
  /// How keys and values are stored.
  public var cacheFormat: CacheFormat
  /// The instruction set of the kernels.
  public var kernelVariant: KernelVariant
  /// Threads of a pass.
  public var threadCount: Int
}
