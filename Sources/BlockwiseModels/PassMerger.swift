internal import BlockwiseKernels

/// A model whose passes are merged: what several requests ask for at the same time is evaluated in one pass, so that the
/// weights are read once for all of them. Rows do not depend on the other rows of a pass, so nobody's results change.
///
/// Requests need not be alike: one reads its prompt while another fills a block and a third decodes from left to right. Whoever
/// asks first leads: it lets everything that is ready to run ask too, evaluates all of it, and hands the results out.
/// Nobody waits for requests that are not ready.
public final class PassMerger: BlockModel {
  /// The model that evaluates.
  public let model: any BlockModel
  /// A merged pass has at most so many rows, unless a single request asks for more.
  public let maximumRowCount: Int

  private struct Request: Sendable {
    var batch: [SequencePass]
    var result: BlockResultBuffer
    var continuation: CheckedContinuation<Turn, any Error>

    var rowCount: Int { batch.reduce(0) { $0 + $1.plan.rowCount } }
  }

  /// What a waiting request is told.
  private enum Turn: Sendable {
    /// Its pass is done.
    case done
    /// It is the next to lead.
    case lead
  }

  private struct State {
    var isLed = false
    var waiting: [Request] = []
  }

  private let state = Protected(State())
  /// Used by the one who leads.
  private let merged = BlockResultBuffer()

  /// Merges the passes of requests to a model.
  public init(_ model: any BlockModel, maximumRowCount: Int = 512) {
    self.model = model
    self.maximumRowCount = maximumRowCount
  }

  /// Those of the model.
  public var traits: ModelTraits { model.traits }

  /// That of the model: requests whose tasks prefer it meet there.
  public var preferredExecutor: (any TaskExecutor)? { model.preferredExecutor }

  /// A cache of the model.
  public func makeCache(contextLength: Int?) throws -> CacheHandle {
    try model.makeCache(contextLength: contextLength)
  }

  /// One pass, perhaps together with those of others; see ``BlockModel/forward(_:into:)``. A request that cannot be evaluated
  /// fails alone.
  public func forward(_ batch: [SequencePass], into result: BlockResultBuffer) async throws {
    var leads = state.withLock { state in
      defer { state.isLed = true }
      return !state.isLed
    }
    if !leads {
      let turn = try await withCheckedThrowingContinuation { continuation in
        let request = Request(batch: batch, result: result, continuation: continuation)
        // The leader may have gone since.
        leads = state.withLock { state in
          guard state.isLed else {
            state.isLed = true
            return true
          }
          state.waiting.append(request)
          return false
        }
        if leads { continuation.resume(returning: .lead) }
      }
      if case .done = turn { return }
    }
    // What is ready to run may ask first.
    await Task.yield()
    let others = takeWaiting(beside: batch.reduce(0) { $0 + $1.plan.rowCount })
    defer { passOn() }
    guard !others.isEmpty else { return try await model.forward(batch, into: result) }
    try await evaluate(batch, result, with: others)
  }

  /// The requests that fit into a pass beside so many rows, in the order of asking.
  private func takeWaiting(beside rowCount: Int) -> [Request] {
    state.withLock { state in
      var rows = rowCount
      let count =
        state.waiting.firstIndex { request in
          rows += request.rowCount
          return rows > maximumRowCount
        } ?? state.waiting.count
      defer { state.waiting.removeFirst(count) }
      return Array(state.waiting.prefix(count))
    }
  }

  /// Lets the next request lead, if there is one.
  private func passOn() {
    let next = state.withLock { state -> Request? in
      guard !state.waiting.isEmpty else {
        state.isLed = false
        return nil
      }
      return state.waiting.removeFirst()
    }
    next?.continuation.resume(returning: .lead)
  }

  private func evaluate(
    _ batch: [SequencePass], _ result: BlockResultBuffer, with others: [Request]
  ) async throws {
    // The entries go into the common buffer and back, so that their memory is used again.
    merged.entries = result.takeEntries(batch.count)
    for other in others { merged.entries += other.result.takeEntries(other.batch.count) }
    do {
      try await model.forward(batch + others.flatMap(\.batch), into: merged)
    } catch {
      // Nothing has changed. One request can be at fault, or the memory that all need together: each is tried alone.
      merged.entries = []
      for other in others {
        do {
          try await model.forward(other.batch, into: other.result)
          other.continuation.resume(returning: .done)
        } catch {
          other.continuation.resume(throwing: error)
        }
      }
      return try await model.forward(batch, into: result)
    }
    var first = 0
    for (buffer, count) in [(result, batch.count)] + others.map({ ($0.result, $0.batch.count) }) {
      buffer.giveEntries(of: merged, at: first..<first + count)
      first += count
    }
    merged.entries = []
    for other in others { other.continuation.resume(returning: .done) }
  }
}

extension BlockResultBuffer {
  /// Hands over the memory for the outputs of so many sequences.
  fileprivate func takeEntries(_ count: Int) -> [Entry] {
    defer { entries = [] }
    return (0..<count).map { $0 < entries.count ? entries[$0] : Entry() }
  }

  /// Receives the outputs of some sequences of a merged pass.
  fileprivate func giveEntries(of pass: BlockResultBuffer, at range: Range<Int>) {
    entries = Array(pass.entries[range])
    vocabularyCount = pass.vocabularyCount
    timing = pass.timing
    passSequenceCount = pass.entries.count
  }
}
