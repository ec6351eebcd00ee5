/// Which keys a row sees. Positions are absolute; the window of a layer is applied on top.
public enum Visibility: Sendable, Hashable {
  /// A row at position `p` sees every key at a position ≤ `p`.
  case causal
  /// Every row sees every key.
  case bidirectional
  /// A row at position `q` sees a key at `k` iff `⌊(k − anchor)/size⌋ ≤ ⌊(q − anchor)/size⌋`
  /// (BD3-LM, Fast-dLLM v2, SDAR). `size` is at least 1.
  case blockCausal(size: Int, anchor: Int = 0)
  /// Rows before position `start` are causal, rows from `start` on see everything (NBDiff).
  case contextCausal(start: Int)
  /// A tree of draft rows: row `i` sees the keys from before this pass at positions ≤ its own, its ancestors and
  /// itself. `parents[i]` is the index of the parent row in this pass, less than `i`, or −1 for a child of the prefix.
  case ancestors(parents: [Int])
  /// Row `i` sees row `j` of the same pass iff bit `i · rowCount + j` is set, and every key from before this pass.
  case bits(RowBits)

  /// A square bit matrix over the rows of a pass.
  public struct RowBits: Sendable, Hashable {
    /// Rows (and columns) of the matrix.
    public let rowCount: Int
    private var words: [UInt64]

    /// A matrix with every bit clear.
    public init(rowCount: Int) {
      self.rowCount = rowCount
      words = Array(repeating: 0, count: (rowCount * rowCount + 63) / 64)
    }

    /// Whether `row` sees `key`.
    public subscript(row: Int, key: Int) -> Bool {
      get {
        let bit = row * rowCount + key
        return words[bit >> 6] >> UInt64(bit & 63) & 1 == 1
      }
      set {
        let bit = row * rowCount + key
        if newValue {
          words[bit >> 6] |= 1 << UInt64(bit & 63)
        } else {
          words[bit >> 6] &= ~(1 << UInt64(bit & 63))
        }
      }
    }
  }
}
