import BlockwiseDecoding
import Testing

@Suite struct CounterRandomTests {
  @Test func `Philox reproduces the published vectors`() {
    // Random123, kat_vectors: philox4x32 with 10 rounds.
    #expect(
      CounterRandom.philox(counter: .zero, key: .zero)
        == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    #expect(
      CounterRandom.philox(counter: SIMD4(repeating: .max), key: SIMD2(repeating: .max))
        == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    #expect(
      CounterRandom.philox(
        counter: SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
        key: SIMD2(0xa409_3822, 0x299f_31d0))
        == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  @Test func `numbers are uniform in the unit interval`() {
    let stream = CounterRandom(seed: 0xDEAD_BEEF_0BAD_F00D)
    var buckets = Array(repeating: 0, count: 16)
    for position in 0..<16_000 {
      let number = stream.uniform(position: position)
      #expect(number >= 0 && number < 1)
      buckets[Int(number * 16)] += 1
    }
    // Each bucket has mean 1000 and standard deviation 30.6.
    #expect(buckets.allSatisfy { abs($0 - 1000) < 170 }, "\(buckets)")
  }

  @Test func `every coordinate changes the number`() {
    let base = CounterRandom(seed: 1).uniform(position: 2)
    let others = [
      CounterRandom(seed: 2).uniform(position: 2), CounterRandom(seed: 1 << 32 | 1).uniform(position: 2),
      CounterRandom(seed: 1, choice: 1).uniform(position: 2), CounterRandom(seed: 1).uniform(position: 3),
      CounterRandom(seed: 1).uniform(position: 2, purpose: .acceptance),
      CounterRandom(seed: 1).uniform(position: 2, draw: 1),
    ]
    #expect(Set(others + [base]).count == others.count + 1)
  }
}
