import BlockwiseKernels
import BlockwiseTestSupport
import Foundation
import Testing

/// A paged cache of one layer with one key/value head, and queries for it.
private struct Scene {
  let dimension: Int
  let format: CacheFormat
  let head: AttentionHead
  let pages: [UnsafeMutableRawPointer]
  let slotCount: Int
  let queries: [Float]
  let queryCount: Int

  init(dimension: Int, format: CacheFormat, slotCount: Int, queryCount: Int, softCap: Float?, seed: Int) {
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
    queries = random.floats(queryCount * dimension, 3)
  }

  func deallocate() { for page in pages { page.deallocate() } }

  func attend(_ variant: KernelVariant, _ runs: [SlotRun], heads: Range<Int>? = nil) -> [Float] {
    let heads = heads ?? 0..<queryCount
    let stride = dimension + 1
    var output = [Float](repeating: -77, count: heads.count * stride)
    let visible = runs.reduce(0) { $0 + Int($1.count) }
    var scores = [Float](repeating: -77, count: heads.count * visible + 1)
    queries.withUnsafeBufferPointer { queries in
      runs.withUnsafeBufferPointer { runs in
        pages.withUnsafeBufferPointer { pages in
          guard let queries = queries.baseAddress, let pages = pages.baseAddress else { return }
          Kernels(variant).attend(
            queries: queries + heads.lowerBound * dimension, queryStride: dimension, queryCount: heads.count,
            head: head, pages: pages, runs: runs, into: &output, outputStride: stride, scores: &scores)
        }
      }
    }
    #expect(scores[heads.count * visible] == -77)
    var result: [Float] = []
    for row in 0..<heads.count {
      #expect(output[row * stride + dimension] == -77)
      result += output[row * stride..<row * stride + dimension]
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
}
