internal import BlockwiseFiles
internal import BlockwiseKernels

/// The memory of a pass, owned by the engine's thread and grown only when a pass has more rows than any before.
///
/// Unchecked because only the engine's thread touches it.
final class DecoderWorkspace: @unchecked Sendable {
  private let configuration: DecoderConfiguration
  private let workerCount: Int
  private(set) var rowCapacity = 0

  /// Residual stream, f32 `[rows, hidden]`.
  private(set) var hidden: AlignedBuffer<Float>
  /// Input of the projections of the residual stream, `[rows, hidden]` and its int8 form.
  private(set) var normed: ActivationRows
  /// Norms of embedding and vector side by side, `[rows, 2 · hidden]`, where rows are pairs.
  private(set) var paired: ActivationRows?
  /// Fused q, k, v, f32 `[rows, q + k + v]`.
  private(set) var queryKeyValue: AlignedBuffer<Float>
  /// Output of attention, `[rows, heads · head dimension]`.
  private(set) var attended: ActivationRows
  /// Fused gate and up, f32 `[rows, 2 · inner]`.
  private(set) var gateUp: AlignedBuffer<Float>
  /// Input of the down projection, `[rows, inner]`.
  private(set) var inner: ActivationRows
  /// Output of a projection before it is added to the residual stream, f32 `[rows, hidden]`.
  private(set) var projected: AlignedBuffer<Float>
  /// Rows of the head, `[head rows, hidden]`.
  private(set) var headInput: ActivationRows
  /// Logits on their way to memory or to their statistics.
  private(set) var logits: LogitMemory
  private var headOutputs: [HeadOutput] = []
  /// What becomes of each row of the head.
  private(set) var logitRows: [LogitRow] = []
  private(set) var logitStatistics: [LogitStatistics?] = []
  /// Allowed entries of rows, as bits.
  private(set) var allowed: AlignedBuffer<UInt64>

  /// Rows of experts; nil without a mixture.
  private(set) var experts: ExpertWorkspace?

  /// Scratch of attention, which is scores for the most part; one region per worker.
  private(set) var scores: AlignedBuffer<Float>
  private(set) var scoreCapacity = 0

  /// Angles of the layers, and of those with a window where theirs are others.
  var rotary: RotaryTable
  var windowRotary: RotaryTable?
  /// Where the time of the running pass went so far.
  var timing = PassTiming()

  init(configuration: DecoderConfiguration, contextLength: Int, workerCount: Int) throws {
    self.configuration = configuration
    self.workerCount = workerCount
    rotary = try RotaryTable(configuration.rotary, contextLength: contextLength)
    if let angles = configuration.windowRotary {
      windowRotary = try RotaryTable(angles, contextLength: contextLength)
    }
    let rows = 16
    let innerSize = configuration.feedForwardSize
    hidden = try AlignedBuffer(count: rows * configuration.hiddenSize)
    normed = try ActivationRows(capacity: rows, columnCount: configuration.hiddenSize)
    queryKeyValue = try AlignedBuffer(count: rows * configuration.queryKeyValueSize)
    attended = try ActivationRows(capacity: rows, columnCount: configuration.querySize)
    gateUp = try AlignedBuffer(count: rows * 2 * innerSize)
    inner = try ActivationRows(capacity: rows, columnCount: innerSize)
    projected = try AlignedBuffer(count: rows * configuration.hiddenSize)
    headInput = try ActivationRows(capacity: 1, columnCount: configuration.hiddenSize)
    logits = try LogitMemory(
      rowCapacity: 1, vocabularyCount: configuration.outputCount, workerCount: workerCount)
    allowed = try AlignedBuffer(count: 0)
    scores = try AlignedBuffer(count: 0)
    rowCapacity = rows
    if configuration.readsPairs {
      paired = try ActivationRows(capacity: rows, columnCount: 2 * configuration.hiddenSize)
    }
    if let mixture = configuration.mixture {
      experts = try ExpertWorkspace(mixture: mixture, hiddenSize: configuration.hiddenSize, rowCapacity: rows)
    }
  }

  /// Elements of a row of ``queryKeyValue``.
  var queryKeyValueStride: Int { configuration.queryKeyValueSize }

  func reserve(rowCount: Int) throws {
    guard rowCount > rowCapacity else { return }
    let hiddenSize = configuration.hiddenSize
    // Everything is had before anything is replaced, so that a failure leaves the workspace as it was.
    let hidden = try AlignedBuffer<Float>(count: rowCount * hiddenSize)
    let normed = try ActivationRows(capacity: rowCount, columnCount: hiddenSize)
    let queryKeyValue = try AlignedBuffer<Float>(count: rowCount * configuration.queryKeyValueSize)
    let attended = try ActivationRows(capacity: rowCount, columnCount: configuration.querySize)
    let gateUp = try AlignedBuffer<Float>(count: rowCount * 2 * configuration.feedForwardSize)
    let inner = try ActivationRows(capacity: rowCount, columnCount: configuration.feedForwardSize)
    let projected = try AlignedBuffer<Float>(count: rowCount * hiddenSize)
    if configuration.readsPairs {
      paired = try ActivationRows(capacity: rowCount, columnCount: 2 * hiddenSize)
    }
    if let mixture = configuration.mixture {
      experts = try ExpertWorkspace(mixture: mixture, hiddenSize: hiddenSize, rowCapacity: rowCount)
    }
    (self.hidden, self.normed, self.queryKeyValue, self.attended) = (hidden, normed, queryKeyValue, attended)
    (self.gateUp, self.inner, self.projected) = (gateUp, inner, projected)
    rowCapacity = rowCount
  }

  /// Room for attention over rows that see at most `keyCount` keys each, for every worker.
  func reserveScores(keyCount: Int) throws {
    let needed = Kernels.attentionScratchCount(
      headDimension: configuration.headDimension, visibleCount: (keyCount + 63) / 64 * 64)
    guard needed > scoreCapacity else { return }
    scores = try AlignedBuffer(count: needed * workerCount)
    scoreCapacity = needed
  }

  /// Rows of the head that are computed together: enough to read the head's weights once for a block, few enough that
  /// the logits of a tile stay in the cache.
  static let headRowLimit = 64

  /// Room for the head of `rowCount` rows, at most ``headRowLimit`` at a time.
  func reserveHead(rowCount: Int) throws {
    let rowCount = min(rowCount, Self.headRowLimit)
    guard rowCount > logits.rowCapacity else { return }
    let headInput = try ActivationRows(capacity: rowCount, columnCount: configuration.hiddenSize)
    let logits = try LogitMemory(
      rowCapacity: rowCount, vocabularyCount: configuration.outputCount, workerCount: workerCount)
    (self.headInput, self.logits) = (headInput, logits)
  }

  /// Room for the allowed entries of `rowCount` rows.
  func reserveAllowed(rowCount: Int) throws {
    let needed = rowCount * ((configuration.outputCount + 63) / 64)
    if allowed.count < needed { allowed = try AlignedBuffer(count: needed) }
  }

  /// Lends the list of rows that get an output, emptied; what it held is let go of afterwards.
  func withHeadOutputs(_ body: (inout [HeadOutput]) -> Void) {
    body(&headOutputs)
    headOutputs.removeAll(keepingCapacity: true)
  }

  /// Lends the lists of a head's rows, emptied.
  func withLogitRows(_ body: (_ rows: inout [LogitRow], _ statistics: inout [LogitStatistics?]) -> Void) {
    logitRows.removeAll(keepingCapacity: true)
    body(&logitRows, &logitStatistics)
  }
}
