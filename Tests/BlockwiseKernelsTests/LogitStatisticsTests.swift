import BlockwiseKernels
import BlockwiseTestSupport
import Foundation
import Testing

@Suite struct LogitStatisticsTests {
  private func statistics(_ logits: [Float], _ variant: KernelVariant) -> LogitStatistics? {
    Kernels(variant).statistics(ofLogits: logits, count: logits.count)
  }

  @Test(arguments: [1, 2, 7, 16, 17, 100, 4095, 4096, 4097, 8193, 20000])
  func `statistics agree with float64 and between variants`(count: Int) throws {
    var random = SplitMix(seed: count)
    for magnitude in [Float(1), 30] {
      let logits = random.floats(count, magnitude)
      let reference = try #require(statistics(logits, .scalar))
      let order = logits.indices.sorted { logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1 }
      #expect(reference.top == order[0])
      #expect(reference.topLogit == logits[order[0]])
      #expect(reference.second == (count > 1 ? order[1] : nil))
      #expect(reference.secondLogit == (count > 1 ? logits[order[1]] : -.infinity))
      let largest = Double(logits[order[0]])
      let weights = logits.map { exp(Double($0) - largest) }
      let sum = weights.reduce(0, +)
      let entropy = log(sum) - zip(weights, logits).reduce(0) { $0 + $1.0 * (Double($1.1) - largest) } / sum
      // 256 additions per lane and tile, each within one rounding of a positive sum.
      #expect(abs(reference.logSumExp - (largest + log(sum))) <= 300 * roundingUnit)
      #expect(abs(reference.entropy - entropy) <= 300 * roundingUnit * (1 + 2 * Double(magnitude)))
      for variant in KernelVariant.available { #expect(statistics(logits, variant) == reference) }
    }
  }

  @Test(arguments: KernelVariant.available)
  func `ties go to the lowest ids`(variant: KernelVariant) throws {
    var logits = [Float](repeating: 0, count: 10000)
    for id in [9000, 4100, 4099, 70, 5000] { logits[id] = 3 }
    var found = try #require(statistics(logits, variant))
    #expect((found.top, found.second) == (70, 4099))
    logits = [Float](repeating: 1.5, count: 5000)
    found = try #require(statistics(logits, variant))
    #expect((found.top, found.second) == (0, 1))
    logits[4998] = 2
    found = try #require(statistics(logits, variant))
    #expect((found.top, found.second) == (4998, 0))
  }

  @Test(arguments: KernelVariant.available)
  func `banned entries count nothing`(variant: KernelVariant) throws {
    var logits = [Float](repeating: -.infinity, count: 9000)
    logits[8195] = 2
    logits[5] = 1
    let found = try #require(statistics(logits, variant))
    #expect((found.top, found.second) == (8195, 5))
    #expect(abs(found.logSumExp - log(exp(2) + exp(1))) <= 4 * roundingUnit)
    let all = try #require(statistics([Float](repeating: -.infinity, count: 20), variant))
    #expect(all.top == 0 && all.second == 1 && all.logSumExp == -.infinity && all.entropy == 0)
  }

  @Test(arguments: KernelVariant.available)
  func `a NaN or plus infinity anywhere is reported`(variant: KernelVariant) {
    for bad in [Float.nan, .infinity] {
      for place in [0, 7, 16, 4000, 4096, 4999] {
        var logits = [Float](repeating: 1, count: 5000)
        logits[place] = bad
        #expect(statistics(logits, variant) == nil, "at \(place)")
      }
    }
    #expect(statistics([], variant) == nil)
  }
}
