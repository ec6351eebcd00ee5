public import Blockwise

/// What the output head does in a measured pass.
public enum HeadWork: String, Sendable, Hashable, CaseIterable {
  /// The logits of every row.
  case logits
  /// Of every row what greedy decoding and confidence need: the two most likely tokens, log-sum-exp, entropy.
  case statistics
  /// The logits of the last row, as prefill ends.
  case last
  /// Nothing.
  case none

  /// The request of a pass.
  public var request: OutputRequest {
    switch self {
    case .logits: OutputRequest(rows: .all)
    case .statistics: OutputRequest(rows: .all, detail: .statistics)
    case .last: OutputRequest(rows: .last)
    case .none: OutputRequest(rows: .none)
    }
  }

  /// How many rows of `rowCount` get an output.
  public func outputCount(rowCount: Int) -> Int {
    switch self {
    case .logits, .statistics: rowCount
    case .last: min(1, rowCount)
    case .none: 0
    }
  }
}
