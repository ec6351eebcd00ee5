public import BlockwiseKernels

/// How a checkpoint is loaded.
public struct ModelLoadOptions: Sendable {
  /// How activations meet the weights.
  public enum Compute: String, Sendable, Hashable, CaseIterable {
    /// int8 activations for quantised weights, f32 for the others.
    case auto
    /// f32 activations and, unless told otherwise, an f32 cache: the mode in which parity is judged.
    case f32
    /// int8 activations for quantised weights; f32 weights have no int8 form and stay f32.
    case int8
  }

  /// How activations meet the weights.
  public var compute: Compute
  /// How the cache stores keys and values; nil follows ``compute``: f32 for f32, else f16.
  public var cacheFormat: CacheFormat?
  /// Positions to serve; nil takes the model's context.
  public var contextLength: Int?
  /// Threads of a pass; nil takes one per core.
  public var threadCount: Int?
  /// The instruction set; nil takes the best that runs here.
  public var kernelVariant: KernelVariant?
  /// What becomes of block types that no kernel computes with: true keeps the blocks of the file and decodes them in every
  /// pass, false packs them into ``StoredBlockFormat/residentFormat`` when the model is loaded. Results are the same bit
  /// for bit; packed weights take 1.4 to 4.2 times the memory of their blocks, and passes are much faster. Nil packs where
  /// the weights then take at most three quarters of the memory there is.
  public var keepsBlocks: Bool?
  /// Refuses to load when weights and a full cache need more bytes; nil takes what the system reports as available.
  public var memoryLimit: Int?
  /// Whether ``LanguageModel`` asks a diffusion model in one pass for words that it can know, and refuses it when its rows speak of
  /// other positions than its file says.
  public var checksLogitShift = true

  /// Options with defaults for speed.
  public init(
    compute: Compute = .auto, cacheFormat: CacheFormat? = nil, contextLength: Int? = nil,
    threadCount: Int? = nil, kernelVariant: KernelVariant? = nil, memoryLimit: Int? = nil,
    keepsBlocks: Bool? = nil
  ) {
    self.compute = compute
    self.cacheFormat = cacheFormat
    self.contextLength = contextLength
    self.threadCount = threadCount
    self.kernelVariant = kernelVariant
    self.memoryLimit = memoryLimit
    self.keepsBlocks = keepsBlocks
  }
}
