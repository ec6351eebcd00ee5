import BlockwiseKernels
import BlockwiseTestSupport
import Foundation
import Testing

private let counts = [1, 2, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 64, 100, 128, 896]

@Suite struct RowKernelTests {
  let reference = Kernels(.scalar)

  private func map(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) -> [Float] {
    var out = [Float](repeating: -77, count: count + 1)
    body(&out)
    #expect(out[count] == -77)
    return Array(out[..<count])
  }

  @Test(arguments: counts)
  func `norms are within 8 units in the last place of float64 and alike in every variant`(columns: Int) {
    var random = SplitMix(seed: columns)
    let x = random.floats(columns, 3)
    let weight = random.floats(columns)
    let bias = random.floats(columns)
    let epsilon: Float = 1e-6
    let squares = x.map { Double($0) * Double($0) }.reduce(0, +)
    let root = (squares / Double(columns) + Double(epsilon)).squareRoot()
    let mean = x.map(Double.init).reduce(0, +) / Double(columns)
    let variance = x.map { (Double($0) - mean) * (Double($0) - mean) }.reduce(0, +) / Double(columns)
    let deviation = (variance + Double(epsilon)).squareRoot()
    for kernels in KernelVariant.available.map(Kernels.init) {
      let rms = map(columns) {
        kernels.rmsNorm(
          x, stride: columns, weight: weight, epsilon: epsilon, rowCount: 1, columnCount: columns, into: $0,
          outputStride: columns)
      }
      let layer = map(columns) {
        kernels.layerNorm(
          x, stride: columns, weight: weight, bias: bias, epsilon: epsilon, rowCount: 1, columnCount: columns,
          into: $0, outputStride: columns)
      }
      for i in 0..<columns {
        #expect(ulps(rms[i], from: Double(x[i]) / root * Double(weight[i])) <= 8)
        if columns > 1 {
          // Cancellation in x − mean and in adding the bias: relative to the terms, not the result.
          let scaled = (Double(x[i]) - mean) / deviation * Double(weight[i])
          let magnitude = abs(scaled) + abs(Double(bias[i])) + (abs(Double(x[i])) + abs(mean)) / deviation
          #expect(abs(Double(layer[i]) - scaled - Double(bias[i])) <= 16 * roundingUnit * magnitude)
        }
      }
      #expect(
        bits(rms)
          == bits(
            map(columns) {
              reference.rmsNorm(
                x, stride: columns, weight: weight, epsilon: epsilon, rowCount: 1, columnCount: columns,
                into: $0,
                outputStride: columns)
            }))
      #expect(
        bits(layer)
          == bits(
            map(columns) {
              reference.layerNorm(
                x, stride: columns, weight: weight, bias: bias, epsilon: epsilon, rowCount: 1,
                columnCount: columns,
                into: $0, outputStride: columns)
            }))
    }
  }

  @Test(arguments: KernelVariant.available)
  func `strided heads are normed in place as each alone`(variant: KernelVariant) {
    var random = SplitMix(seed: 5)
    let kernels = Kernels(variant)
    let (heads, dimension, stride) = (5, 24, 30)
    var x = random.floats(heads * stride, 2)
    let original = x
    let weight = random.floats(dimension)
    x.withUnsafeMutableBufferPointer { x in
      guard let x = x.baseAddress else { return }
      kernels.rmsNorm(
        x, stride: stride, weight: weight, epsilon: 1e-5, rowCount: heads, columnCount: dimension, into: x,
        outputStride: stride)
    }
    for head in 0..<heads {
      let alone = map(dimension) {
        kernels.rmsNorm(
          Array(original[head * stride..<head * stride + dimension]), stride: 0, weight: weight,
          epsilon: 1e-5,
          rowCount: 1, columnCount: dimension, into: $0, outputStride: 0)
      }
      #expect(Array(x[head * stride..<head * stride + dimension]) == alone)
      #expect(
        x[head * stride + dimension..<(head + 1) * stride]
          == original[head * stride + dimension..<(head + 1) * stride])
    }
  }

  @Test(arguments: [RotaryLayout.halves, .pairs], [1, 2, 3, 4, 6, 8, 12, 13, 16, 32, 64])
  func `rotation turns each pair by its angle`(layout: RotaryLayout, pairCount: Int) {
    var random = SplitMix(seed: pairCount)
    let (heads, stride) = (3, 2 * pairCount + 5)
    let x = random.floats(heads * stride, 2)
    let angles = (0..<pairCount).map { _ in Double.random(in: -9...9, using: &random) }
    let cosines = angles.map { Float(cos($0)) }
    let sines = angles.map { Float(sin($0)) }
    var results: [[Float]] = []
    for variant in KernelVariant.available {
      var y = x
      Kernels(variant).rotate(
        &y, headCount: heads, headStride: stride, pairCount: pairCount, layout: layout, cosines: cosines,
        sines: sines)
      results.append(y)
      for head in 0..<heads {
        for i in 0..<pairCount {
          let (first, second) = layout == .halves ? (i, i + pairCount) : (2 * i, 2 * i + 1)
          let (a, b) = (Double(x[head * stride + first]), Double(x[head * stride + second]))
          let (c, s) = (Double(cosines[i]), Double(sines[i]))
          let bound = 2 * roundingUnit * (abs(a) + abs(b))
          #expect(abs(Double(y[head * stride + first]) - (a * c - b * s)) <= bound)
          #expect(abs(Double(y[head * stride + second]) - (b * c + a * s)) <= bound)
        }
        let rest = head * stride + 2 * pairCount..<(head + 1) * stride
        #expect(y[rest] == x[rest])
      }
    }
    for result in results { #expect(bits(result) == bits(results[0])) }
  }

  @Test(arguments: KernelVariant.available)
  func `exponentials are within 2 units in the last place over the whole range`(variant: KernelVariant) {
    let kernels = Kernels(variant)
    var x: [Float] = [
      0, -0.0, 1, -1, 88.72283, 88.72284, -87.33655, -103.9, -104, 1e-38, -Float.leastNonzeroMagnitude,
    ]
    for i in 0..<40000 { x.append(-105 + Float(i) * (194 / 40000)) }
    let y = map(x.count) { kernels.exponentials(x, shift: 0, factor: 1, into: $0, count: x.count) }
    var worst = (0.0, Float(0))
    for (x, y) in zip(x, y) {
      let error = ulps(y, from: exp(Double(x)))
      if error > worst.0 { worst = (error, x) }
    }
    #expect(worst.0 <= 2, "at \(worst.1)")
    let expected = map(x.count) { reference.exponentials(x, shift: 0, factor: 1, into: $0, count: x.count) }
    #expect(bits(y) == bits(expected))
  }

  @Test(arguments: KernelVariant.available)
  func `exponentials saturate and keep NaN`(variant: KernelVariant) {
    // Twice eight, so that vector lanes and the ragged end both see every case.
    let x: [Float] = [89, 1e30, .infinity, -105, -1e30, -.infinity, .nan, 200, 0, .nan, -.infinity]
    let y = map(x.count) { Kernels(variant).exponentials(x, shift: 0, factor: 1, into: $0, count: x.count) }
    #expect(Array(y[..<6]) == [.infinity, .infinity, .infinity, 0, 0, 0])
    #expect(y[6].isNaN && y[9].isNaN)
    #expect(y[7] == .infinity && y[8] == 1 && y[10] == 0)
  }

  @Test(arguments: counts)
  func `element kernels agree with float64 and between variants`(count: Int) {
    var random = SplitMix(seed: count)
    let a = random.floats(count, 20)
    let b = random.floats(count, 3)
    for kernels in KernelVariant.available.map(Kernels.init) {
      let silu = map(count) { kernels.siluMultiply(gate: a, up: b, into: $0, count: count) }
      let sum = map(count) { kernels.add(a, b, into: $0, count: count) }
      let scaled = map(count) { kernels.scale(a, by: 0.37, into: $0, count: count) }
      let capped = map(count) { kernels.softCap(a, cap: 5, into: $0, count: count) }
      for i in 0..<count {
        let gate = Double(a[i])
        #expect(ulps(silu[i], from: gate / (1 + exp(-gate)) * Double(b[i])) <= 5)
        #expect(sum[i] == a[i] + b[i])
        #expect(scaled[i] == a[i] * 0.37)
        #expect(ulps(capped[i], from: 5 * tanh(gate / 5)) <= 4)
      }
      #expect(
        bits(silu) == bits(map(count) { reference.siluMultiply(gate: a, up: b, into: $0, count: count) }))
      #expect(bits(capped) == bits(map(count) { reference.softCap(a, cap: 5, into: $0, count: count) }))
    }
  }

  @Test(arguments: KernelVariant.available)
  func `silu goes to zero and to its argument`(variant: KernelVariant) {
    let gate: [Float] = [-200, -90, 0, 90, 200, .infinity, .nan, -1e-30, -1e30]
    let up = [Float](repeating: 2, count: gate.count)
    let y = map(gate.count) { Kernels(variant).siluMultiply(gate: gate, up: up, into: $0, count: gate.count) }
    #expect(y[0] == 0 && abs(y[1]) < 1e-36 && y[2] == 0 && y[3] == 180 && y[4] == 400 && y[5] == .infinity)
    #expect(y[6].isNaN && y[7] == -1e-30 && y[8] == 0)
  }

  @Test(arguments: counts)
  func `int8 rows are within half a step and alike in every variant`(columns: Int) throws {
    var random = SplitMix(seed: columns)
    var results: [[UInt32]] = []
    let input = random.floats(2 * columns, 4)
    for variant in KernelVariant.available {
      let x = try ActivationRows(capacity: 2, columnCount: columns)
      for row in 0..<2 {
        // The second row is zero in its first group.
        for k in 0..<columns { x.row(row)[k] = row == 1 && k < 32 ? 0 : input[row * columns + k] }
      }
      x.quantize(rowCount: 2, kernels: Kernels(variant))
      var bits: [UInt32] = []
      for row in 0..<2 {
        for group in 0..<x.groupCount {
          let (codes, scale) = x.quantized(row: row, group: group)
          for (k, code) in codes.enumerated() {
            let value = Double(x.row(row)[32 * group + k])
            #expect(abs(Double(code) * Double(scale) - value) <= 0.5001 * Double(scale))
          }
          bits += codes.map { UInt32(UInt8(bitPattern: $0)) } + [scale.bitPattern]
        }
      }
      results.append(bits)
    }
    for result in results { #expect(result == results[0]) }
  }
}
