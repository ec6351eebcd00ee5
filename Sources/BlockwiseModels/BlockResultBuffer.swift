internal import BlockwiseKernels

/// The outputs of a pass. One decoder owns it and reads it between passes; its memory is reused.
///
/// Unchecked because a pass writes it from the engine's thread: the owner awaits the pass before it reads, and never
/// shares the buffer with a second pass.
public final class BlockResultBuffer: @unchecked Sendable {
  /// The outputs of one sequence of the batch.
  package struct Entry {
    package var rows: [Int] = []
    /// Memory of at least ``logitCount`` numbers, kept from pass to pass.
    private var memory: AlignedBuffer<Float>?
    package private(set) var logitCount = 0
    package var statistics: [RowStatistics] = []
    package var taps: [(tap: OutputRequest.Tap, values: [Float])] = []
    package init() {}

    /// Where the logits lie, f32 `[outputs, vocabulary]`; nil when there are none.
    package var logits: UnsafeMutablePointer<Float>? { logitCount > 0 ? memory?.pointer : nil }

    /// Makes room for so many logits, of any value.
    mutating func reserveLogits(count: Int) throws(AllocationError) {
      if count > memory?.count ?? 0 {
        // First the old, so that both are never there at once.
        logitCount = 0
        memory = nil
        memory = try AlignedBuffer(count: count)
      }
      logitCount = count
    }
  }

  package var entries: [Entry] = []
  package var vocabularyCount = 0
  /// Where the time of the last pass went; zero where the model does not measure it.
  public package(set) var timing = PassTiming()
  /// Sequences of the whole pass: more than ``sequenceCount`` where other requests' rows shared it.
  public package(set) var passSequenceCount = 0

  /// An empty buffer.
  public init() {}

  /// Makes room for the outputs of a pass over sequences, and forgets those of the last one.
  func prepare(_ plans: some Collection<BlockPlan>, vocabularyCount: Int) throws(AllocationError) {
    self.vocabularyCount = vocabularyCount
    passSequenceCount = plans.count
    if entries.count > plans.count { entries.removeSubrange(plans.count...) }
    while entries.count < plans.count { entries.append(Entry()) }
    for (index, plan) in plans.enumerated() {
      entries[index].rows = plan.outputs.indices(rowCount: plan.rowCount)
      entries[index].statistics.removeAll(keepingCapacity: true)
      entries[index].taps.removeAll(keepingCapacity: true)
      let outputs = plan.outputs.detail == .logits ? entries[index].rows.count : 0
      let (count, overflow) = outputs.multipliedReportingOverflow(by: vocabularyCount)
      guard !overflow else { throw AllocationError(byteCount: nil) }
      try entries[index].reserveLogits(count: count)
    }
  }

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
    guard let logits = entries[sequence].logits, output >= 0, range.upperBound <= entries[sequence].logitCount
    else {
      preconditionFailure("logits of output \(output) were not requested")
    }
    return try body(UnsafeMutableBufferPointer(start: logits + range.lowerBound, count: range.count))
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
