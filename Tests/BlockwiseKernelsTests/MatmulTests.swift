import BlockwiseKernels
import BlockwiseTestSupport
import Testing

/// A product with everything it needs, and the oracle for it.
private struct Product {
  let format: WeightFormat
  let rows: Int
  let columns: Int
  let rowCount: Int
  let file: [UInt8]
  let input: [Float]
  let bias: [Float]

  init(format: WeightFormat, rows: Int, columns: Int, rowCount: Int, seed: Int) {
    var random = SplitMix(seed: seed)
    self.format = format
    self.rows = rows
    self.columns = columns
    self.rowCount = rowCount
    file = random.weights(format: format, rows: rows, columns: columns)
    input = random.floats(rowCount * columns, 2)
    bias = random.floats(rows)
  }

  func matrix(_ pool: WorkerPool) throws -> PackedMatrix {
    try file.withUnsafeBytes { file in
      try PackedMatrix(
        format: format, rows: rows, columns: columns, source: #require(file.baseAddress), pool: pool)
    }
  }

  func activations(_ kernels: Kernels, rows: Range<Int>) throws -> ActivationRows {
    let x = try ActivationRows(capacity: rows.count, columnCount: columns)
    for (index, row) in rows.enumerated() {
      for k in 0..<columns { x.row(index)[k] = input[row * columns + k] }
    }
    x.quantize(rowCount: rows.count, kernels: kernels)
    return x
  }

  /// Outputs of some rows computed together.
  func outputs(
    _ variant: KernelVariant, mode: MatmulMode, pool: WorkerPool, rows selected: Range<Int>? = nil,
    hasBias: Bool = true
  ) throws -> [Float] {
    let kernels = Kernels(variant)
    let selected = selected ?? 0..<rowCount
    let matrix = try matrix(pool)
    let x = try activations(kernels, rows: selected)
    // Wider than needed and filled with a mark, to see that nothing else is written.
    let stride = rows + 3
    var y = [Float](repeating: -77, count: selected.count * stride)
    bias.withUnsafeBufferPointer { bias in
      kernels.matmul(
        matrix, input: x, rowCount: selected.count, output: &y, outputStride: stride,
        bias: hasBias ? bias.baseAddress : nil, mode: mode, pool: pool)
    }
    var result: [Float] = []
    for row in 0..<selected.count {
      result += y[row * stride..<row * stride + rows]
      #expect(y[row * stride + rows..<(row + 1) * stride].allSatisfy { $0 == -77 })
    }
    return result
  }

  /// The largest error in units of its bound: every product rounds once, and the 32 additions of a group and the
  /// additions of groups once each, relative to Σ|w·x|.
  func worstError(_ found: [Float], mode: MatmulMode) throws -> Double {
    let weights = decoded(file, count: rows * columns, as: format)
    let x = try activations(Kernels(.scalar), rows: 0..<rowCount)
    let isInt8 = mode.resolved(for: format) == .int8
    var worst = 0.0
    for row in 0..<rowCount {
      let rounded = (0..<x.groupCount).flatMap { group in
        let (codes, scale) = x.quantized(row: row, group: group)
        return codes.map { Double($0) * Double(scale) }
      }
      for out in 0..<rows {
        var sum = Double(bias[out])
        var magnitude = abs(sum)
        for k in 0..<columns {
          let value =
            isInt8
            ? rounded[k]
            : Double(input[row * columns + k])
          let product = Double(weights[out * columns + k]) * value
          sum += product
          magnitude += abs(product)
        }
        let bound = Double(32 + x.groupCount + 4) * roundingUnit * magnitude
        worst = max(worst, abs(Double(found[row * rows + out]) - sum) / bound)
      }
    }
    return worst
  }
}

private let shapes: [(rows: Int, columns: Int, rowCount: Int)] = [
  (1, 1, 1), (16, 31, 2), (17, 32, 3), (15, 33, 4), (70, 100, 5), (33, 64, 7), (64, 96, 1), (130, 128, 2),
  (48, 896, 6),
  (40, 32, 65), (66, 160, 9),
]

private let cases: [(format: WeightFormat, rows: Int, columns: Int, rowCount: Int)] =
  WeightFormat.allCases.flatMap { format in
    shapes.map {
      (
        format, $0.rows, format.wholeBlocks($0.columns), $0.rowCount
      )
    }
  }

@Suite struct MatmulTests {
  @Test(arguments: cases, [MatmulMode.f32, .int8])
  func `products stay within the rounding bound of the oracle`(
    shape: (format: WeightFormat, rows: Int, columns: Int, rowCount: Int), mode: MatmulMode
  ) throws {
    let product = Product(
      format: shape.format, rows: shape.rows, columns: shape.columns, rowCount: shape.rowCount, seed: 1)
    let found = try product.outputs(.scalar, mode: mode, pool: WorkerPool(threadCount: 1))
    #expect(try product.worstError(found, mode: mode) <= 1)
  }

  @Test(arguments: cases, [MatmulMode.f32, .int8])
  func `every variant and thread count gives the bits of the reference`(
    shape: (format: WeightFormat, rows: Int, columns: Int, rowCount: Int), mode: MatmulMode
  ) throws {
    let product = Product(
      format: shape.format, rows: shape.rows, columns: shape.columns, rowCount: shape.rowCount, seed: 2)
    let expected = bits(try product.outputs(.scalar, mode: mode, pool: WorkerPool(threadCount: 1)))
    for variant in KernelVariant.available {
      for threadCount in 1...4 {
        let found = try product.outputs(variant, mode: mode, pool: WorkerPool(threadCount: threadCount))
        #expect(bits(found) == expected, "\(variant), \(threadCount) threads")
      }
    }
  }

  @Test(arguments: WeightFormat.allCases, [MatmulMode.f32, .int8])
  func `matrices of many units of tiles have the bits of the reference`(
    format: WeightFormat, mode: MatmulMode
  ) throws {
    // 29 tiles of 72 groups: more than the second-level cache takes at once, and no whole number of fours.
    for rowCount in [1, 3, 9] {
      let product = Product(format: format, rows: 455, columns: 2304, rowCount: rowCount, seed: 3)
      let expected = bits(try product.outputs(.scalar, mode: mode, pool: WorkerPool(threadCount: 1)))
      for variant in KernelVariant.available where variant != .scalar {
        for threadCount in [1, 2] {
          let found = try product.outputs(variant, mode: mode, pool: WorkerPool(threadCount: threadCount))
          #expect(bits(found) == expected, "\(variant), \(rowCount) rows, \(threadCount) threads")
        }
      }
    }
  }

  @Test(arguments: 0..<60)
  func `random shapes give the bits of the reference`(seed: Int) throws {
    var random = SplitMix(seed: 1000 + seed)
    let format = WeightFormat.allCases[seed % WeightFormat.allCases.count]
    let columns = Int.random(in: 1...300, using: &random)
    let product = Product(
      format: format, rows: Int.random(in: 1...150, using: &random),
      columns: format.wholeBlocks(columns),
      rowCount: Int.random(in: 1...20, using: &random), seed: seed)
    let pool = WorkerPool(threadCount: Int.random(in: 1...4, using: &random))
    for mode in [MatmulMode.f32, .int8] {
      let hasBias = Bool.random(using: &random)
      let expected = bits(try product.outputs(.scalar, mode: mode, pool: pool, hasBias: hasBias))
      let found = bits(try product.outputs(.best, mode: mode, pool: pool, hasBias: hasBias))
      #expect(
        found == expected,
        "seed \(seed), \(format.name), \(product.rows) × \(product.columns), \(product.rowCount) rows, \(mode)"
      )
    }
  }

  @Test(arguments: WeightFormat.allCases, KernelVariant.available)
  func `a row alone equals the row among others`(format: WeightFormat, variant: KernelVariant) throws {
    let product = Product(format: format, rows: 50, columns: format.wholeBlocks(128), rowCount: 13, seed: 3)
    let pool = WorkerPool(threadCount: 2)
    for mode in [MatmulMode.f32, .int8] {
      let together = bits(try product.outputs(variant, mode: mode, pool: pool))
      for row in 0..<product.rowCount {
        let alone = bits(try product.outputs(variant, mode: mode, pool: pool, rows: row..<row + 1))
        #expect(
          alone == Array(together[row * product.rows..<(row + 1) * product.rows]), "row \(row), \(mode)")
      }
      for count in 2...12 {
        let some = bits(try product.outputs(variant, mode: mode, pool: pool, rows: 1..<1 + count))
        #expect(some == Array(together[product.rows..<(1 + count) * product.rows]), "\(count) rows, \(mode)")
      }
    }
  }

  @Test(arguments: KernelVariant.available)
  func `int8 products are exact at the extreme bytes`(variant: KernelVariant) throws {
    // All weights the largest there are (nibble 0 of Q4_0 is −8, of the first table −127) and all activations at full scale.
    let one = encoded([Float(1)], as: .f16)
    let single = withUnsafeBytes(of: Float(1)) { Array($0) }
    func bytes(_ value: UInt8, _ count: Int) -> [UInt8] { [UInt8](repeating: value, count: count) }
    let cases: [(format: WeightFormat, block: [UInt8], weight: Float)] = [
      (.q8_0, one + bytes(0x80, 32), -128), (.q4_0, one + bytes(0, 16), -8),
      // Scales of 1 and minima of 0: bits of twelve bytes.
      (.q5_K, one + one + bytes(1, 4) + bytes(0, 4) + bytes(1, 4) + bytes(0xFF, 160), 31),
      (.i4, single + single + bytes(0, 18), -127),
      (.i4m, single + single + bytes(0, 8) + bytes(0xFF, 16), 15),
      (.i5m, single + single + bytes(0, 8) + bytes(0xFF, 20), 31),
    ]
    for (format, block, weight) in cases {
      for sign in [Float(1), -1] {
        let columns = format.blockElementCount
        let file = Array([[UInt8]](repeating: block, count: 16).joined())
        let pool = WorkerPool(threadCount: 1)
        let matrix = try file.withUnsafeBytes {
          try PackedMatrix(
            format: format, rows: 16, columns: columns, source: #require($0.baseAddress), pool: pool)
        }
        let x = try ActivationRows(capacity: 1, columnCount: columns)
        for k in 0..<columns { x.values[k] = sign * 127 }
        x.quantize(rowCount: 1, kernels: Kernels(variant))
        var y = [Float](repeating: 0, count: 16)
        Kernels(variant).matmul(
          matrix, input: x, rowCount: 1, output: &y, outputStride: 16, mode: .int8, pool: pool)
        #expect(y == [Float](repeating: sign * weight * 127 * Float(columns), count: 16), "\(format.name)")
      }
    }
  }

  @Test(arguments: KernelVariant.available)
  func `a NaN activation reaches every output of its row and no other row`(variant: KernelVariant) throws {
    let pool = WorkerPool(threadCount: 1)
    let product = Product(format: .q8_0, rows: 20, columns: 64, rowCount: 1, seed: 4)
    let matrix = try product.matrix(pool)
    for bad in [Float.nan, .infinity] {
      for mode in [MatmulMode.f32, .int8] {
        let x = try ActivationRows(capacity: 3, columnCount: 64)
        for k in 0..<64 { x.row(0)[k] = 1; x.row(1)[k] = 1; x.row(2)[k] = 1 }
        x.row(1)[40] = bad
        x.quantize(rowCount: 3, kernels: Kernels(variant))
        var y = [Float](repeating: 0, count: 60)
        Kernels(variant).matmul(
          matrix, input: x, rowCount: 3, output: &y, outputStride: 20, mode: mode, pool: pool)
        #expect(y[20..<40].allSatisfy { !$0.isFinite })
        #expect(y[0..<20].allSatisfy { $0.isFinite })
        #expect(Array(y[40..<60]) == Array(y[0..<20]))
      }
    }
  }
}
