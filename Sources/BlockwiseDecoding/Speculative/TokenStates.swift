public import BlockwiseModels

/// Hidden states of tokens that are part of the text, in the order of their positions.
public struct TokenStates: Sendable {
  /// The position of the first.
  public var firstPosition: Int
  /// How many tokens.
  public var count: Int
  /// For every tap f32 `[count, hidden]`, row-major.
  public var values: [OutputRequest.Tap: [Float]]

  /// States; see the members.
  public init(firstPosition: Int, count: Int, values: [OutputRequest.Tap: [Float]]) {
    self.firstPosition = firstPosition
    self.count = count
    self.values = values
  }

  /// Some rows of a pass; nil where the pass did not record every tap.
  init?(
    _ result: BlockResultBuffer, rows: [Int], rowCount: Int, firstPosition: Int, taps: [OutputRequest.Tap]
  ) {
    self.init(firstPosition: firstPosition, count: rows.count, values: [:])
    for tap in taps {
      guard let all = result.hiddenStates(tap), all.count % rowCount == 0 else { return nil }
      let size = all.count / rowCount
      var own: [Float] = []
      own.reserveCapacity(rows.count * size)
      for row in rows { own += all[row * size..<(row + 1) * size] }
      values[tap] = own
    }
  }

  /// The taps side by side, `[count, taps · hidden]`.
  func joined(_ taps: [OutputRequest.Tap]) -> [Float] {
    if taps.count == 1 { return values[taps[0]] ?? [] }
    var rows: [Float] = []
    for row in 0..<count {
      for tap in taps {
        guard let all = values[tap] else { continue }
        let size = all.count / count
        rows += all[row * size..<(row + 1) * size]
      }
    }
    return rows
  }
}
