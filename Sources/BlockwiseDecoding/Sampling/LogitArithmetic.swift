/// The passes over a whole vocabulary: eight lanes at a time, in one fixed order, without allocation.
package enum LogitArithmetic {
  package typealias Lanes = SIMD8<Float>

  /// The largest value, or nil when one is NaN or +∞. −∞ for an empty row or one that holds nothing else.
  static func maximum(_ values: UnsafeBufferPointer<Float>) -> Float? {
    var lanes = Lanes(repeating: -.infinity)
    var isNaN = SIMDMask<SIMD8<Int32>>(repeating: false)
    let raw = UnsafeRawBufferPointer(values)
    let vectorEnd = values.count & ~7
    var index = 0
    while index < vectorEnd {
      let next = raw.loadUnaligned(fromByteOffset: index * 4, as: Lanes.self)
      isNaN .|= next .!= next
      lanes.replace(with: next, where: next .> lanes)
      index += 8
    }
    var result = -Float.infinity
    for lane in 0..<8 {
      if isNaN[lane] { return nil }
      result = max(result, lanes[lane])
    }
    while index < values.count {
      if values[index].isNaN { return nil }
      result = max(result, values[index])
      index += 1
    }
    return result == .infinity ? nil : result
  }

  /// The lowest index of the largest value, or nil when all are −∞. There is no NaN among the values.
  static func argMaximum(_ values: UnsafeBufferPointer<Float>) -> Int? {
    guard let best = maximum(values), best > -.infinity else { return nil }
    return values.firstIndex(of: best)
  }

  /// The `count` largest values with their indices, best first, the lowest index among equals. −∞ is never among them.
  static func largest(_ count: Int, of values: UnsafeBufferPointer<Float>) -> [RankedToken] {
    var best = TopCandidates(capacity: count)
    var least = -Float.infinity
    let raw = UnsafeRawBufferPointer(values)
    var index = 0
    while index + 64 <= values.count {
      // Hardly ever is one of 64 better than the worst that is kept.
      var lanes = raw.loadUnaligned(fromByteOffset: index * 4, as: Lanes.self)
      for offset in stride(from: 8, to: 64, by: 8) {
        let next = raw.loadUnaligned(fromByteOffset: (index + offset) * 4, as: Lanes.self)
        lanes.replace(with: next, where: next .> lanes)
      }
      var isBetter = false
      for lane in 0..<8 { isBetter = isBetter || lanes[lane] > least }
      if isBetter {
        for place in index..<index + 64 where values[place] > least {
          best.offer(values[place], id: Int32(place))
          least = best.leastKept
        }
      }
      index += 64
    }
    while index < values.count {
      if values[index] > least {
        best.offer(values[index], id: Int32(index))
        least = best.leastKept
      }
      index += 1
    }
    return best.descending()
  }

  /// e^x of a log-probability.
  static func probability(_ logProbability: Float) -> Float {
    exponential(Lanes(repeating: min(0, logProbability)))[0]
  }

  /// Σ exp((value − maximum) / temperature).
  static func exponentialSum(
    _ values: UnsafeBufferPointer<Float>, maximum: Float, temperature: Float = 1
  ) -> Double {
    var total = 0.0
    var start = 0
    while start < values.count {
      // Short f32 sums that are joined in f64: exact to about seven digits for any vocabulary.
      let end = min(start + 2048, values.count)
      var lanes = Lanes.zero
      visit(UnsafeBufferPointer(rebasing: values[start..<end])) { _, next in
        lanes += exponential((next - maximum) / temperature)
      }
      for lane in 0..<8 { total += Double(lanes[lane]) }
      start = end
    }
    return total
  }

  /// Replaces every value by exp((value − maximum) / temperature) and returns the sum.
  static func formExponentials(
    _ values: UnsafeMutableBufferPointer<Float>, maximum: Float, temperature: Float
  ) -> Double {
    let raw = UnsafeMutableRawBufferPointer(values)
    var total = 0.0
    visit(UnsafeBufferPointer(values)) { index, next in
      let weights = exponential((next - maximum) / temperature)
      if index + 8 <= values.count {
        raw.storeBytes(of: weights, toByteOffset: index * 4, as: Lanes.self)
      } else {
        for lane in 0..<values.count - index { values[index + lane] = weights[lane] }
      }
      total += Double((weights.evenHalf + weights.oddHalf).sum())
    }
    return total
  }

  /// Calls `body` with eight values at a time; the last ones are filled up with −∞.
  @inline(__always)
  private static func visit(_ values: UnsafeBufferPointer<Float>, _ body: (Int, Lanes) -> Void) {
    let raw = UnsafeRawBufferPointer(values)
    let vectorEnd = values.count & ~7
    var index = 0
    while index < vectorEnd {
      body(index, raw.loadUnaligned(fromByteOffset: index * 4, as: Lanes.self))
      index += 8
    }
    if index < values.count {
      var last = Lanes(repeating: -.infinity)
      for lane in 0..<values.count - index { last[lane] = values[index + lane] }
      body(index, last)
    }
  }

  /// e^x for x ≤ 0, zero below −87; within 2 units in the last place.
  ///
  /// x = n·ln 2 + r with |r| ≤ ln 2 / 2; e^r by its Taylor polynomial of degree 7, 2^n by the exponent's bits.
  /// Written out because the C library's function works on one value at a time.
  @inline(__always)
  package static func exponential(_ x: Lanes) -> Lanes {
    let smallest = Lanes(repeating: -87)
    let clamped = x.replacing(with: smallest, where: x .< smallest)
    // Adding 1.5 · 2²³ leaves the nearest whole number in the low bits.
    let magic = Lanes(repeating: 0x1.8p23)
    let shifted = clamped * 1.442_695_04 + magic
    let whole = shifted - magic
    let r = (clamped - whole * 0.693_359_375) + whole * 2.121_944_4e-4
    var power = r * (1 / 5040) + (1 / 720)
    power = power * r + (1 / 120)
    power = power * r + (1 / 24)
    power = power * r + (1 / 6)
    power = power * r + 0.5
    power = power * r + 1
    power = power * r + 1
    let exponent = unsafeBitCast(shifted, to: SIMD8<UInt32>.self) &+ 127
    let scale = unsafeBitCast(exponent &<< 23, to: Lanes.self)
    return (power * scale).replacing(with: 0, where: x .< smallest)
  }
}
