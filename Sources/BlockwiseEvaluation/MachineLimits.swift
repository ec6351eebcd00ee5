internal import BlockwiseModels

/// What the machine can do at best, measured with the threads of the benchmark.
public struct MachineLimits: Sendable, Hashable {
  /// Bytes per second that all threads together read from memory that lies as weights do: the median of readings between
  /// the passes, as times of passes are medians. The memory side of the roofline.
  public var readBandwidth: Double
  /// The best of those readings.
  public var bestReadBandwidth: Double
  /// Multiplications and additions per second of the engine's own products with weights in the cache: the peak that the
  /// kernels can reach. The arithmetic side of the roofline.
  public var operationRate: Double
  /// Multiplications and additions per second of the instructions that those products use, on registers alone; nil where
  /// that is not known.
  public var instructionRate: Double?
  /// Whether both rates are those of int8 products; else of f32.
  public var isInt8: Bool

  /// Least seconds of a pass that reads `byteCount` bytes and performs `operationCount` operations.
  public func roofline(byteCount: Double, operationCount: Double) -> Double {
    max(byteCount / readBandwidth, operationCount / operationRate)
  }

  /// The processor's name, or an empty string where the system does not tell.
  public static var processorName: String { SystemProcessor.name }
}
