/// The outputs of a pass. One decoder owns it and reads it between passes; its memory is reused.
///
/// Unchecked because a pass writes it from the engine's thread: the owner awaits the pass before it reads, and never
/// shares the buffer with a second pass.
public final class BlockResultBuffer: @unchecked Sendable {
  /// The outputs of one sequence of the batch.
  package struct Entry {
    package var rows: [Int] = []
    package var logits: [Float] = []
    package var statistics: [RowStatistics] = []
    package var taps: [(tap: OutputRequest.Tap, values: [Float])] = []
    package init() {}
  }

  package var entries: [Entry] = []
  package var vocabularyCount = 0
  /// Where the time of the last pass went; zero where the model does not measure it.
  public package(set) var timing = PassTiming()

  /// An empty buffer.
  public init() {}

  /// Sequences of the last pass.
  public var sequenceCount: Int { entries.count }

  /// The rows of the plan that got an output, in the order of the outputs.
  public func rows(sequence: Int = 0) -> [Int] { entries[sequence].rows }

  /// The statistics of an output row (an index into ``rows(sequence:)``).
  public func statistics(sequence: Int = 0, output: Int) -> RowStatistics {
    entries[sequence].statistics[output]
  }

  /// Calls `body` with the logits of an output row, f32 `[vocabulary]`; the caller may change them.
  public func withLogits<T>(
    sequence: Int = 0, output: Int, _ body: (UnsafeMutableBufferPointer<Float>) throws -> T
  ) rethrows -> T {
    let range = output * vocabularyCount..<(output + 1) * vocabularyCount
    precondition(
      range.upperBound <= entries[sequence].logits.count, "logits of output \(output) were not requested")
    return try entries[sequence].logits.withUnsafeMutableBufferPointer {
      try body(UnsafeMutableBufferPointer(rebasing: $0[range]))
    }
  }

  /// A copy of the logits of an output row.
  public func logits(sequence: Int = 0, output: Int) -> [Float] {
    withLogits(sequence: sequence, output: output) { Array($0) }
  }

  /// The hidden states at a requested tap, f32 `[rows of the plan, hidden]`, or nil when it was not requested.
  public func hiddenStates(sequence: Int = 0, _ tap: OutputRequest.Tap) -> [Float]? {
    entries[sequence].taps.first { $0.tap == tap }?.values
  }
}
