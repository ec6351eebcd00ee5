/// Where the seconds of loading a model went, in the order of the work.
public struct LoadTiming: Sendable, Hashable {
  /// Opening files and reading headers and configuration.
  public var open = 0.0
  /// Building the tokenizer.
  public var tokenizer = 0.0
  /// Reading the weights and packing them for the kernels.
  public var weights = 0.0
  /// All of it, what lies between the other parts included.
  public var total = 0.0

  /// Nothing measured yet.
  public init() {}

  /// Everything else: chat templates, checks, the hand-over to the loading thread.
  public var other: Double { max(0, total - open - tokenizer - weights) }
}
