/// What a pass computes besides filling the cache.
public struct OutputRequest: Sendable, Hashable {
  /// The rows of the pass that get an output, in increasing order; the result lists them in this order.
  public enum Rows: Sendable, Hashable {
    case none
    case last
    case all
    case some([Int])
  }

  /// What is computed for each of those rows.
  public enum Detail: Sendable, Hashable {
    /// All logits, f32 `[rows, vocabulary]`, and the statistics.
    case logits
    /// Only ``RowStatistics``; the logits are not kept.
    case statistics
  }

  /// A place in the network whose hidden state is wanted, f32 `[all rows of the pass, hidden]`.
  public enum Tap: Sendable, Hashable {
    /// The embedding output, before the first layer.
    case embedding
    /// The output of a layer (residual stream).
    case layer(Int)
    /// After the final norm.
    case final
  }

  /// Which rows get an output.
  public var rows: Rows
  /// Tokens whose logits are wanted: none for the whole vocabulary, one mask for all outputs, or one for each of them. Other
  /// tokens get −∞ and count in no statistics, and parts of the head that no row asks for are not computed; logits that
  /// are have the bits they always have.
  public var allowed: [TokenMask]
  /// What each of them gets.
  public var detail: Detail
  /// Where hidden states are recorded.
  public var taps: [Tap]

  /// Asks for `detail` of `rows`, and for hidden states.
  public init(rows: Rows = .last, detail: Detail = .logits, allowed: [TokenMask] = [], taps: [Tap] = []) {
    self.rows = rows
    self.allowed = allowed
    self.detail = detail
    self.taps = taps
  }

  /// The indices of the requested rows of a pass with `rowCount` rows.
  package func indices(rowCount: Int) -> [Int] {
    switch rows {
    case .none: []
    case .last: rowCount > 0 ? [rowCount - 1] : []
    case .all: Array(0..<rowCount)
    case .some(let rows): rows
    }
  }

  /// The tokens that are wanted of an output; nil for all.
  package func allowed(_ output: Int) -> TokenMask? {
    allowed.isEmpty ? nil : allowed.count == 1 ? allowed[0] : allowed[output]
  }
}
