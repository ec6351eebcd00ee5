import BlockwiseKernels
import Testing

/// The work behind measured limits is really done.
@Suite struct MachineProbeTests {
  @Test func `every pattern of reading sums all words once`() throws {
    let count = 64 * 8 * 3
    let words = try AlignedBuffer<UInt64>(count: count)
    var expected: UInt64 = 0
    for index in 0..<count {
      words[index] = UInt64(index) &* 0x9E37_79B9_7F4A_7C15
      expected &+= words[index]
    }
    for streams in [1, 2, 4, 8] {
      for distance in [0, 384] {
        let pattern = MachineProbe.ReadPattern(streamCount: streams, prefetchByteCount: distance)
        #expect(
          MachineProbe.sum(words.pointer, byteCount: words.byteCount, pattern: pattern) == expected,
          "\(pattern)")
      }
    }
  }

  @Test(arguments: KernelVariant.available) func `arithmetic on registers grows with its rounds`(
    variant: KernelVariant
  ) {
    for mode in [MatmulMode.f32, .int8] {
      var result: Float = 0
      let once = Kernels(variant).runArithmetic(mode, roundCount: 1, result: &result)
      let often = Kernels(variant).runArithmetic(mode, roundCount: 1000, result: &result)
      // Variants without such a loop say so.
      #expect((once == nil) == (often == nil))
      #expect(often == once.map { $0 * 1000 })
      if once == nil { #expect(result == 0) } else { #expect(result.isFinite && result != 0) }
    }
  }
}
