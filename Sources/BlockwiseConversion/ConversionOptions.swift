public import BlockwiseFiles

/// How a model is converted.
public struct ConversionOptions: Sendable {
  /// A format for the tensors whose names contain a text.
  public struct Override: Sendable, Hashable {
    /// Part of a tensor's name in the output, e.g. `attn_v` or `blk.0.`.
    public var pattern: String
    /// How those tensors are stored.
    public var type: TensorType

    /// A format for tensors by part of their names.
    public init(pattern: String, type: TensorType) {
      self.pattern = pattern
      self.type = type
    }
  }

  /// What the output is.
  public enum Container: String, Sendable, Hashable, CaseIterable {
    /// One GGUF file.
    case gguf
    /// A Hugging Face folder.
    case hf
  }

  /// How matrices are stored.
  public var format: QuantizationFormat
  /// What the output is.
  public var container: Container
  /// How the head is stored; nil leaves that to the format.
  public var headType: TensorType?
  /// The first that fits a matrix's name decides over everything else.
  public var overrides: [Override]
  /// The file of an importance matrix.
  public var importancePath: String?
  /// Replaces what is at the output.
  public var replacesOutput: Bool
  /// Threads that convert.
  public var threadCount: Int

  /// Options with defaults for everything but the format.
  public init(
    format: QuantizationFormat, container: Container = .gguf, headType: TensorType? = nil,
    overrides: [Override] = [], importancePath: String? = nil, replacesOutput: Bool = false,
    threadCount: Int = 1
  ) {
    self.format = format
    self.container = container
    self.headType = headType
    self.overrides = overrides
    self.importancePath = importancePath
    self.replacesOutput = replacesOutput
    self.threadCount = threadCount
  }
}

/// What a conversion did.
public struct ConversionReport: Sendable, Hashable {
  /// One tensor of the output.
  public struct Tensor: Sendable, Hashable {
    /// The name in the output.
    public var name: String
    /// Dimensions, outermost first.
    public var shape: [Int]
    /// How it was stored; nil where it was made from values or from tensors of several types.
    public var from: TensorType?
    /// How it is stored.
    public var to: TensorType
    /// Bytes it was made from.
    public var byteCountBefore: Int
    /// Bytes it has.
    public var byteCountAfter: Int
  }

  /// The path of the output.
  public var output: String
  /// All tensors, in the order of the output.
  public var tensors: [Tensor]
  /// What the reader of the result should know.
  public var notes: [String]

  /// Bytes of all tensors before.
  public var byteCountBefore: Int { tensors.reduce(0) { $0 + $1.byteCountBefore } }
  /// Bytes of all tensors afterwards.
  public var byteCountAfter: Int { tensors.reduce(0) { $0 + $1.byteCountAfter } }
}
