import BlockwiseKernels
import BlockwiseTestSupport
import Foundation
import Testing

/// A paged cache of one layer with one key/value head, and the queries of some rows for it.
private struct Scene {
  let dimension: Int
  let format: CacheFormat
  let head: AttentionHead
  let pages: [UnsafeMutableRawPointer]
  let slotCount: Int
  /// `[row, head, dimension]`.
  let queries: [Float]
  let queryCount: Int

  init(
    dimension: Int, format: CacheFormat, slotCount: Int, queryCount: Int, rowCount: Int = 1, softCap: Float?,
    seed: Int
  ) {
    var random = SplitMix(seed: seed)
    self.dimension = dimension
    self.format = format
    self.slotCount = slotCount
    self.queryCount = queryCount
    let rowByteCount = format.rowByteCount(headDimension: dimension)
    // An odd offset in even units, so that nothing may count on alignment.
    head = AttentionHead(
      keyOffset: 4, valueOffset: 4 + 64 * rowByteCount, headDimension: dimension, format: format,
      scale: 1 / Float(dimension).squareRoot(), softCap: softCap)
    pages = (0..<(slotCount + 63) / 64).map { _ in
      UnsafeMutableRawPointer.allocate(byteCount: 4 + 128 * rowByteCount, alignment: 64)
    }
    for slot in 0..<slotCount {
      for offset in [head.keyOffset, head.valueOffset] {
        let row = encoded(random.floats(dimension, 2), as: format)
        (pages[slot / 64] + offset + slot % 64 * rowByteCount).copyMemory(from: row, byteCount: row.count)
      }
    }
    queries = random.floats(rowCount * queryCount * dimension, 3)
  }

  func deallocate() { for page in pages { page.deallocate() } }

  func attend(_ variant: KernelVariant, _ runs: [SlotRun], heads: Range<Int>? = nil) -> [Float] {
    attend(variant, rows: [runs], heads: heads)
  }

  /// Some rows from `firstRow` on, together: `[row, head, dimension]`.
  func attend(
    _ variant: KernelVariant, rows: [[SlotRun]], firstRow: Int = 0, heads: Range<Int>? = nil
  ) -> [Float] {
    let heads = heads ?? 0..<queryCount
    // One place between heads and two between rows, which nobody may write.
    let stride = dimension + 1
    let rowStride = heads.count * stride + 2
    var output = [Float](repeating: -77, count: rows.count * rowStride)
    let visible = rows.map { $0.reduce(0) { $0 + Int($1.count) } }.max() ?? 0
    let scratchCount = Kernels.attentionScratchCount(headDimension: dimension, visibleCount: visible)
    // Whatever lies in the scratch must not matter.
    var scratch = [Float](repeating: .nan, count: scratchCount + 1)
    scratch[scratchCount] = -77
    var bounds = [0]
    for runs in rows { bounds.append(bounds[bounds.count - 1] + runs.count) }
    // Never empty, so that there is an address.
    let allRuns = rows.flatMap { $0 } + [SlotRun(start: 0, count: 0)]
    queries.withUnsafeBufferPointer { queries in
      allRuns.withUnsafeBufferPointer { runs in
        pages.withUnsafeBufferPointer { pages in
          output.withUnsafeMutableBufferPointer { output in
            scratch.withUnsafeMutableBufferPointer { scratch in
              guard let queries = queries.baseAddress, let pages = pages.baseAddress,
                let runs = runs.baseAddress, let output = output.baseAddress,
                let scratch = scratch.baseAddress
              else { return }
              Kernels(variant).attend(
                AttentionBlock(
                  head: head, pages: pages, runs: runs, runBounds: &bounds, rowCount: rows.count,
                  queryCount: heads.count,
                  queries: queries + (firstRow * queryCount + heads.lowerBound) * dimension,
                  queryRowStride: queryCount * dimension, queryStride: dimension, output: output,
                  outputRowStride: rowStride, outputStride: stride, scratch: scratch))
            }
          }
        }
      }
    }
    #expect(scratch[scratchCount] == -77)
    var result: [Float] = []
    for row in rows.indices {
      for head in heads.indices {
        let start = row * rowStride + (head - heads.lowerBound) * stride
        #expect(output[start + dimension] == -77)
        result += output[start..<start + dimension]
      }
      #expect(output[(row + 1) * rowStride - 2..<(row + 1) * rowStride].allSatisfy { $0 == -77 })
    }
    return result
  }

  func cached(_ slot: Int, _ offset: Int) -> [Double] {
    let count = format.rowByteCount(headDimension: dimension)
    let start = pages[slot / 64] + offset + slot % 64 * count
    let row = Array(UnsafeRawBufferPointer(start: start, count: count))
    return decoded(row, count: dimension, as: format).map(Double.init)
  }

  /// In float64 over the rounded cache rows.
  func oracle(_ slots: [Int]) -> [Double] {
    var result: [Double] = []
    for query in 0..<queryCount {
      var scores = slots.map { slot in
        let s =
          zip(cached(slot, head.keyOffset), queries[query * dimension..<(query + 1) * dimension])
          .reduce(0) { $0 + $1.0 * Double($1.1) } * Double(head.scale)
        return head.softCap.map { Double($0) * tanh(s / Double($0)) } ?? s
      }
      let largest = scores.max() ?? 0
      scores = scores.map { exp($0 - largest) }
      let sum = scores.reduce(0, +)
      var mix = [Double](repeating: 0, count: dimension)
      for (slot, weight) in zip(slots, scores) {
        for (i, value) in cached(slot, head.valueOffset).enumerated() { mix[i] += weight * value }
      }
      result += mix.map { sum > 0 ? $0 / sum : 0 }
    }
    return result
  }
}

private func slots(_ runs: [SlotRun]) -> [Int] {
  runs.flatMap { Int($0.start)..<Int($0.start) + Int($0.count) }
}

/// Rows that look at a cache as one kind of pass makes them look.
private enum View: CaseIterable {
  case causal, window, bidirectional, tree, selection, unlike, nothing

  /// The slots of every row, in the order in which its keys are summed.
  func slots(rowCount: Int, slotCount: Int, _ random: inout SplitMix) -> [[Int]] {
    let prefix = max(0, slotCount - rowCount)
    let window = Int.random(in: 1...max(1, slotCount), using: &random)
    var parents: [Int] = []
    for row in 0..<rowCount { parents.append(row == 0 ? -1 : Int.random(in: -1..<row, using: &random)) }
    let selected = (0..<prefix).filter { _ in Int.random(in: 0..<3, using: &random) > 0 }
    return (0..<rowCount).map { row in
      let own = min(slotCount - 1, prefix + row)
      switch self {
      case .causal: return Array(0...own)
      case .window: return Array(max(0, own - window + 1)...own)
      case .bidirectional: return Array(0..<slotCount)
      case .tree:
        var path: [Int] = []
        var node = row
        while node >= 0 {
          path.insert(min(slotCount - 1, prefix + node), at: 0)
          node = parents[node]
        }
        return Array(0..<prefix) + path
      case .selection: return selected + [own]
      case .unlike: return (0..<slotCount).filter { _ in Bool.random(using: &random) }
      case .nothing: return row % 3 == 1 ? [] : Array(0..<slotCount)
      }
    }
  }
}

/// The same slots in runs that end wherever chance will have it.
private func cut(_ slots: [Int], _ random: inout SplitMix) -> [SlotRun] {
  var runs: [SlotRun] = []
  for slot in slots {
    let ends = Int.random(in: 0..<40, using: &random) == 0
    if !ends, let last = runs.last, Int(last.start + last.count) == slot {
      runs[runs.count - 1].count += 1
    } else {
      if Int.random(in: 0..<4, using: &random) == 0 { runs.append(SlotRun(start: slot, count: 0)) }
      runs.append(SlotRun(start: slot, count: 1))
    }
  }
  return runs
}

private let dimensions = [1, 8, 15, 16, 24, 33, 64, 80, 128, 256]

@Suite struct AttentionTests {
  @Test(arguments: dimensions, CacheFormat.allCases)
  func `attention over pages agrees with float64 and between variants`(dimension: Int, format: CacheFormat) {
    for (seed, softCap) in [(1, nil), (2, Float(5))] {
      let scene = Scene(
        dimension: dimension, format: format, slotCount: 200, queryCount: 7, softCap: softCap, seed: seed)
      defer { scene.deallocate() }
      for runs in [
        [SlotRun(start: 0, count: 1)], [SlotRun(start: 0, count: 200)],
        [SlotRun(start: 3, count: 70), SlotRun(start: 130, count: 5), SlotRun(start: 64, count: 64)],
      ] {
        let expected = scene.oracle(slots(runs))
        let reference = scene.attend(.scalar, runs)
        for (found, expected) in zip(reference, expected) {
          // Scores of magnitude ≤ 6·√dimension carry rounding errors of the dot product into the exponent.
          #expect(abs(Double(found) - expected) <= 2e-5 * 2)
        }
        for variant in KernelVariant.available {
          #expect(bits(scene.attend(variant, runs)) == bits(reference), "\(variant)")
        }
      }
    }
  }

  @Test(arguments: KernelVariant.available, CacheFormat.allCases)
  func `cutting the slots into other runs changes no bit`(variant: KernelVariant, format: CacheFormat) {
    let scene = Scene(dimension: 40, format: format, slotCount: 150, queryCount: 3, softCap: nil, seed: 3)
    defer { scene.deallocate() }
    let whole = bits(scene.attend(variant, [SlotRun(start: 5, count: 140)]))
    var random = SplitMix(seed: 4)
    for _ in 0..<20 {
      var runs: [SlotRun] = []
      var start = 5
      while start < 145 {
        let count = min(145 - start, Int.random(in: 0...40, using: &random))
        runs.append(SlotRun(start: start, count: count))
        start += count
      }
      #expect(bits(scene.attend(variant, runs)) == whole)
    }
  }

  @Test(arguments: KernelVariant.available, CacheFormat.allCases)
  func `a query head alone equals the head among others`(variant: KernelVariant, format: CacheFormat) {
    let scene = Scene(dimension: 64, format: format, slotCount: 90, queryCount: 9, softCap: nil, seed: 5)
    defer { scene.deallocate() }
    let runs = [SlotRun(start: 0, count: 90)]
    let together = bits(scene.attend(variant, runs))
    for count in 1...4 {
      for first in 0...9 - count {
        let some = bits(scene.attend(variant, runs, heads: first..<first + count))
        #expect(some == Array(together[first * 64..<(first + count) * 64]))
      }
    }
  }

  @Test(arguments: KernelVariant.available)
  func `nothing visible gives zeros`(variant: KernelVariant) {
    let scene = Scene(dimension: 20, format: .f16, slotCount: 10, queryCount: 5, softCap: nil, seed: 6)
    defer { scene.deallocate() }
    #expect(scene.attend(variant, []) == [Float](repeating: 0, count: 100))
    #expect(scene.attend(variant, [SlotRun(start: 4, count: 0)]) == [Float](repeating: 0, count: 100))
  }

  @Test(arguments: KernelVariant.available)
  func `one visible key gives its value exactly`(variant: KernelVariant) {
    let scene = Scene(dimension: 24, format: .q8_0, slotCount: 70, queryCount: 2, softCap: nil, seed: 7)
    defer { scene.deallocate() }
    let value = scene.cached(66, scene.head.valueOffset).map(Float.init)
    #expect(scene.attend(variant, [SlotRun(start: 66, count: 1)]) == value + value)
  }

  @Test(arguments: CacheFormat.allCases)
  func `rows together get the bits of every row alone, in all variants and views`(format: CacheFormat) {
    for seed in 0..<21 {
      var random = SplitMix(seed: 100 + seed)
      let rowCount = [2, 3, 8, 19, 40][seed % 5]
      let scene = Scene(
        dimension: [64, 24, 80, 128, 16, 33, 256][seed % 7], format: format,
        slotCount: [40, 150, 300][seed % 3] + seed, queryCount: [1, 2, 3, 4, 7, 16, 18][seed / 5 % 7],
        rowCount: rowCount, softCap: seed % 4 == 3 ? 5 : nil, seed: seed)
      defer { scene.deallocate() }
      for view in View.allCases {
        let slots = view.slots(rowCount: rowCount, slotCount: scene.slotCount, &random)
        let rows = slots.map { cut($0, &random) }
        // The reference does one row after the other.
        let expected = bits(scene.attend(.scalar, rows: rows))
        let rowSize = scene.queryCount * scene.dimension
        for variant in KernelVariant.available where variant != .scalar {
          #expect(bits(scene.attend(variant, rows: rows)) == expected, "\(variant), \(view), seed \(seed)")
          for row in Set([0, rowCount / 2, rowCount - 1]) {
            let alone = scene.attend(variant, rows: [cut(slots[row], &random)], firstRow: row)
            #expect(
              bits(alone) == Array(expected[row * rowSize..<(row + 1) * rowSize]),
              "\(variant), \(view), row \(row) alone, seed \(seed)")
          }
        }
      }
    }
  }

  @Test(arguments: KernelVariant.available)
  func `a long context and many heads fit the scratch`(variant: KernelVariant) {
    let scene = Scene(
      dimension: 16, format: .f16, slotCount: 9000, queryCount: 35, rowCount: 3, softCap: nil, seed: 8)
    defer { scene.deallocate() }
    let rows = (0..<3).map { [SlotRun(start: 0, count: 8998 + $0)] }
    let expected = bits(scene.attend(.scalar, rows: rows))
    #expect(bits(scene.attend(variant, rows: rows)) == expected)
  }
}
