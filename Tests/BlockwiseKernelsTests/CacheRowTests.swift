import BlockwiseKernels
import BlockwiseTestSupport
import Testing

@Suite struct CacheRowTests {
  @Test(arguments: CacheFormat.allCases, [1, 2, 7, 8, 24, 31, 32, 33, 63, 64, 65, 128, 256])
  func `variants write and read the same rows`(format: CacheFormat, dimension: Int) {
    var random = SplitMix(seed: dimension)
    let x = random.floats(dimension, 5)
    let row = encoded(x, as: format)
    let values = decoded(row, count: dimension, as: format)
    for kernels in KernelVariant.available.map(Kernels.init) {
      #expect(encoded(x, as: format, kernels: kernels) == row)
      #expect(bits(decoded(row, count: dimension, as: format, kernels: kernels)) == bits(values))
    }
    for start in stride(from: 0, to: dimension, by: 32) {
      let group = start..<min(dimension, start + 32)
      let largest = x[group].map(abs).max() ?? 0
      for i in group {
        let bound: Float =
          switch format {
          case .f32: 0
          case .f16: max(abs(x[i]) * 0x1p-11, 0x1p-25)
          case .bf16: abs(x[i]) * 0x1p-8
          // Half a step of max/127, the rounding of the scale to 11 bits, and clamping by as much.
          case .q8_0: largest / 127 * 0.5 + largest * 0x1p-10
          }
        #expect(abs(values[i] - x[i]) <= bound)
      }
    }
  }

  @Test(arguments: KernelVariant.available)
  func `every half-precision number survives a round trip`(variant: KernelVariant) {
    for pattern in UInt16.min...UInt16.max where pattern & 0x7C00 != 0x7C00 {
      let row = [UInt8(truncatingIfNeeded: pattern), UInt8(truncatingIfNeeded: pattern >> 8)]
      let value = decoded(row, count: 1, as: .f16, kernels: Kernels(variant))
      if encoded(value, as: .f16, kernels: Kernels(variant)) != row { Issue.record("pattern \(pattern)") }
      if Float(Float16(bitPattern: pattern)) != value[0] {
        Issue.record("pattern \(pattern) reads \(value[0])")
      }
    }
  }

  @Test(arguments: KernelVariant.available)
  func `rounding to half precision is to nearest even`(variant: KernelVariant) {
    var random = SplitMix(seed: 2)
    var x: [Float] = [
      65519.996, 65520, -65520, 1e30, 0x1p-25, 0x1.000002p-25, 0x1p-24, 0x1.8p-24, 6.1e-5, .infinity, 0, -0.0,
    ]
    for _ in 0..<20000 {
      let exponent = Int.random(in: -30...17, using: &random)
      x.append(random.float() * Float(sign: .plus, exponent: exponent, significand: 1))
    }
    while x.count % 8 != 3 { x.append(1) }
    let row = encoded(x, as: .f16, kernels: Kernels(variant))
    for (i, x) in x.enumerated() {
      let found = UInt16(row[2 * i]) | UInt16(row[2 * i + 1]) << 8
      if found != Float16(x).bitPattern {
        Issue.record("\(x) became \(found), expected \(Float16(x).bitPattern)")
      }
    }
  }

  @Test(arguments: CacheFormat.allCases, KernelVariant.available)
  func `numbers that are not finite do not become finite`(format: CacheFormat, variant: KernelVariant) {
    for bad in [Float.nan, .infinity, -.infinity] {
      var x = [Float](repeating: 1, count: 40)
      x[9] = bad
      let values = decoded(encoded(x, as: format, kernels: Kernels(variant)), count: 40, as: format)
      #expect(!values[9].isFinite)
      #expect(values[35] == decoded(encoded([1], as: format), count: 1, as: format)[0])
    }
  }

  @Test func `row sizes are even and cover scales and bytes`() {
    #expect(CacheFormat.q8_0.rowByteCount(headDimension: 64) == 68)
    #expect(CacheFormat.q8_0.rowByteCount(headDimension: 33) == 38)
    #expect(CacheFormat.q8_0.rowByteCount(headDimension: 1) == 4)
    #expect(CacheFormat.f16.rowByteCount(headDimension: 24) == 48)
    #expect(CacheFormat.f32.rowByteCount(headDimension: 3) == 12)
  }
}
