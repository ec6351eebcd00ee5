public import BlockwiseKernels

/// What was loaded and how it is computed.
public struct ModelSummary: Sendable, Hashable {
  public var family: String
  /// The file or folder of the weights.
  public var file: String
  public var parameterCount: Int
  /// Bytes of the packed weights in memory.
  public var weightByteCount: Int
  /// Parameters per weight format.
  public var formats: [WeightFormat: Int]
  /// Whether quantised weights are multiplied with activations rounded to int8.
  public var computesInt8: Bool
  public var cacheFormat: CacheFormat
  /// The instruction set of the kernels.
  public var kernelVariant: KernelVariant
  public var threadCount: Int
}
