import BlockwiseKernels
import BlockwiseModels
import BlockwiseTestSupport
import Testing

/// The rule of visibility against the plainest reading of its definition.
@Suite struct VisibleKeysTests {
  /// Visible slots of a row in the order of position, key by key.
  static func naive(_ pass: VisibleKeys.Pass, row: Int, window: Int?, selection: [Int32]?) -> [Int] {
    let query = Int(pass.rowPositions[row])
    var path: Set<Int> = [row]
    if case .ancestors(let parents) = pass.visibility {
      var node = parents[row]
      while node >= 0 {
        path.insert(node)
        node = parents[node]
      }
    }
    func floorDiv(_ a: Int, _ b: Int) -> Int { Int((Double(a) / Double(b)).rounded(.down)) }
    let slots = pass.slotPositions.indices.filter { slot in
      let key = Int(pass.slotPositions[slot])
      let writer = slot < pass.prefixCount ? -1 : Int(pass.slotRows[slot - pass.prefixCount])
      if let window, query - key >= window { return false }
      if writer < 0, let selection, !selection.contains(Int32(key)) { return false }
      switch pass.visibility {
      case .causal: return key <= query
      case .bidirectional: return true
      case .blockCausal(let size, let anchor):
        return floorDiv(key - anchor, size) <= floorDiv(query - anchor, size)
      case .contextCausal(let start): return query >= start || key <= query
      case .ancestors: return writer < 0 ? key <= query : path.contains(writer)
      case .bits(let bits): return writer < 0 || bits[row, writer]
      }
    }
    return slots.sorted { (pass.slotPositions[$0], $0) < (pass.slotPositions[$1], $1) }
  }

  @Test(arguments: UInt64(1)...400)
  func `runs list exactly the visible slots in the order of position`(_ seed: UInt64) {
    var random = SplitMix(seed: seed)
    let prefix = Int.random(in: 0...12, using: &random)
    let kept = Int.random(in: 0...4, using: &random)
    let rows = Int.random(in: 1...9, using: &random)
    var positions = (0..<prefix).map(Int32.init)
    for _ in 0..<kept + rows {
      positions.append(Int32.random(in: 0...Int32(prefix + kept + rows), using: &random))
    }
    let rowSlots = Array(prefix + kept..<prefix + kept + rows)
    let visibilities: [Visibility] = [
      .causal, .bidirectional,
      .blockCausal(
        size: Int.random(in: 1...5, using: &random), anchor: Int.random(in: -3...7, using: &random)),
      .contextCausal(start: Int.random(in: 0...15, using: &random)),
      .ancestors(parents: (0..<rows).map { Int.random(in: -1..<max($0, 0), using: &random) }),
      .bits(bits(rows, &random)),
    ]
    for visibility in visibilities {
      let pass = VisibleKeys.Pass(
        slotPositions: positions, prefixCount: prefix,
        slotRows: Array(repeating: -1, count: kept) + (0..<rows).map(Int32.init),
        rowPositions: rowSlots.map { positions[$0] }, rowSlots: rowSlots, visibility: visibility)
      let window = Bool.random(using: &random) ? Int.random(in: 1...9, using: &random) : nil
      let selection: [Int32]? =
        Bool.random(using: &random) ? (0..<20).filter { _ in Bool.random(using: &random) } : nil
      var keys = VisibleKeys()
      keys.fill(pass, window: window, selection: selection)
      for row in 0..<rows {
        let runs = keys.runs[keys.bounds[row]..<keys.bounds[row + 1]]
        let found = runs.flatMap { Int($0.start)..<Int($0.start + $0.count) }
        let expected = Self.naive(pass, row: row, window: window, selection: selection)
        #expect(found == expected, "seed \(seed), \(visibility), row \(row), window \(window ?? 0)")
        #expect(found.count <= keys.maximumKeyCount)
      }
    }
  }

  private func bits(_ rows: Int, _ random: inout SplitMix) -> Visibility.RowBits {
    var bits = Visibility.RowBits(rowCount: rows)
    for row in 0..<rows {
      for key in 0..<rows { bits[row, key] = Bool.random(using: &random) }
    }
    return bits
  }
}
