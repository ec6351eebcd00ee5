internal import Blockwise
public import BlockwiseKernels

/// What a benchmark measured on: the machine's limits beside it, and how the model was computed.
public struct BenchmarkSetting: Sendable, Hashable {
  /// What the machine showed before, between and after the measurements.
  public var limits: MachineLimits
  /// Bytes of weights that a pass with logits reads.
  public var weightByteCount: Int
  /// Weights that each row is multiplied with; of a mixture all experts count, though a row uses some.
  public var weightCount: Int
  /// Threads of a pass.
  public var threadCount: Int
  /// The instruction set.
  public var kernelVariant: KernelVariant
  /// Whether quantised weights met activations rounded to int8.
  public var computesInt8: Bool
  /// How keys and values were kept.
  public var cacheFormat: CacheFormat

  init(_ model: LanguageModel, limits: MachineLimits) {
    let work = PassWork(model)
    self.limits = limits
    weightByteCount = work.weightByteCount
    weightCount = work.weightCount
    threadCount = model.summary.threadCount
    kernelVariant = model.summary.kernelVariant
    computesInt8 = model.summary.computesInt8
    cacheFormat = model.summary.cacheFormat
  }
}
