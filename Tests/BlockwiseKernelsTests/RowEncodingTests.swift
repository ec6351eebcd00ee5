import BlockwiseKernels
import BlockwiseTestSupport
import Testing

@Suite struct RowEncodingTests {
  static let rows = 16
  static let columns = 512
  /// Formats that search for their scales.
  static let searching: [RowEncoding] = [.q4_K, .q5_K, .q6_K, .iq4_NL]
  static let blockFormats = RowEncoding.allCases.filter { $0.blockElementCount > 1 }

  /// Bell-shaped rows with what makes encoders stumble: zeros, one sign, an offset, an outlier; and weights of columns.
  static let sample: (values: [Float], importance: [Float]) = {
    var random = SplitMix(seed: UInt64(7))
    func unit() -> Float { Float(random.next() >> 44) * 0x1p-20 }
    var values = (0..<rows * columns).map { _ in (unit() + unit() + unit() + unit() - 2) * 0x1p-4 }
    for index in 3 * columns + 64..<3 * columns + 96 { values[index] = 0 }
    for index in 5 * columns..<5 * columns + 256 { values[index] = abs(values[index]) }
    for index in 6 * columns + 256..<7 * columns { values[index] += 0.5 }
    values[9 * columns + 17] *= 8
    for index in 15 * columns + 256..<16 * columns { values[index] = 0 }
    return (values, (0..<columns).map { _ in unit() + 0x1p-6 })
  }()

  private func encode(
    _ values: [Float], _ format: RowEncoding, columns: Int = columns, importance: [Float]? = nil
  ) throws -> [UInt8] {
    let rowByteCount = try #require(format.rowByteCount(elementCount: columns))
    var bytes = [UInt8](repeating: 0xAA, count: values.count / columns * rowByteCount)
    try values.withUnsafeBufferPointer { values in
      try bytes.withUnsafeMutableBytes { bytes in
        if let importance {
          try importance.withUnsafeBufferPointer {
            try format.encode(values, columnCount: columns, importance: $0, into: bytes)
          }
        } else {
          try format.encode(values, columnCount: columns, into: bytes)
        }
      }
    }
    return bytes
  }

  private func decode(_ bytes: [UInt8], _ format: RowEncoding) throws -> [Float] {
    let count = bytes.count / format.blockByteCount * format.blockElementCount
    var values = [Float](repeating: .nan, count: count)
    try bytes.withUnsafeBytes {
      let source = try #require($0.baseAddress)
      if let stored = StoredBlockFormat(rawValue: format.rawValue) {
        stored.decode(source, elementCount: count, into: &values)
      } else {
        try #require(WeightFormat(rawValue: format.rawValue))
          .decode(source, elementCount: count, into: &values)
      }
    }
    return values
  }

  /// Σ importance · (x − rounded x)².
  private func error(_ bytes: [UInt8], _ values: [Float], _ format: RowEncoding, _ importance: [Float]? = nil)
    throws -> Double
  {
    zip(try decode(bytes, format), values).enumerated().reduce(0) { sum, item in
      let difference = Double(item.element.0) - Double(item.element.1)
      return sum + Double(importance?[item.offset % Self.columns] ?? 1) * difference * difference
    }
  }

  @Test(arguments: RowEncoding.allCases)
  func `geometry is that of the formats that read`(format: RowEncoding) {
    if let weightFormat = WeightFormat(rawValue: format.rawValue) {
      #expect(format.name == weightFormat.name)
      #expect(format.blockElementCount == weightFormat.blockElementCount)
      #expect(format.blockByteCount == weightFormat.blockByteCount)
    } else {
      let stored = StoredBlockFormat(rawValue: format.rawValue)
      #expect(format.name == stored?.name)
      #expect(format.blockElementCount == stored?.blockElementCount)
      #expect(format.blockByteCount == stored?.blockByteCount)
    }
    #expect(
      format.rowByteCount(elementCount: 33)
        == (format.blockElementCount == 1 ? 33 * format.blockByteCount : nil))
    #expect(format.rowByteCount(elementCount: -256) == nil)
  }

  @Test func `rows too long to count are refused`() {
    #expect(RowEncoding.f32.rowByteCount(elementCount: .max / 2) == nil)
    #expect(RowEncoding.q8_0.rowByteCount(elementCount: .max / 32 * 32) == nil)
  }

  /// Digests of the bytes that the reference (ggml) writes for the sample.
  static let digests: [RowEncoding: UInt64] = [
    .q4_0: 0x62D0_A809_D984_CB0E, .q4_1: 0x0202_6245_7510_5832, .q5_0: 0xEC90_6A28_A448_DFB4,
    .q5_1: 0x96A2_2924_7782_3A48, .q8_0: 0x8B18_4CE7_AECC_FA5F,
  ]

  @Test(arguments: digests.keys.sorted { $0.rawValue < $1.rawValue })
  func `plain types have the bytes of the reference`(format: RowEncoding) throws {
    let digest = try encode(Self.sample.values, format).reduce(UInt64(0xCBF2_9CE4_8422_2325)) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01B3
    }
    #expect(digest == Self.digests[format])
  }

  @Test(
    .enabled(if: SharedData.isAvailable),
    arguments: [RowEncoding.q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .bf16])
  func `the fixture's rows have its bytes`(format: RowEncoding) throws {
    let tensors = try FixtureTensors("parity/gguf/blocks.safetensors")
    let input = try tensors.floats("quantize.input")
    #expect(try encode(input, format, columns: 256) == tensors.tensor("quantize.\(format.name)"))
  }

  /// Errors of the reference (ggml) on the sample: without importance, and with it, weighed by it.
  static let referenceErrors: [RowEncoding: (plain: Double, weighed: Double)] = [
    .q4_0: (1.790372e-01, 7.085298e-02), .q4_1: (5.827911e-02, 3.368027e-02),
    .q5_0: (4.271922e-02, 1.777208e-02), .q5_1: (1.379416e-02, 7.629710e-03),
    .q8_0: (7.149104e-04, 3.564539e-04), .q4_K: (7.317738e-02, 3.456397e-02),
    .q5_K: (1.802334e-02, 8.433773e-03), .q6_K: (7.839881e-03, 3.514806e-03),
    .iq4_NL: (1.975590e-01, 9.915280e-02),
  ]

  @Test(arguments: blockFormats)
  func `errors are at most those of the reference`(format: RowEncoding) throws {
    let (values, importance) = Self.sample
    let reference = try #require(Self.referenceErrors[format])
    let plain = try error(encode(values, format), values, format)
    #expect(plain <= reference.plain * 1.001)
    let weighed = try error(encode(values, format, importance: importance), values, format, importance)
    #expect(weighed <= reference.weighed * 1.001)
  }

  @Test(arguments: blockFormats)
  func `importance lowers the error where it weighs, or is said to have no effect`(format: RowEncoding) throws
  {
    let (values, importance) = Self.sample
    let plain = try encode(values, format)
    let weighed = try encode(values, format, importance: importance)
    #expect((plain != weighed) == format.usesImportance)
    if format.usesImportance {
      #expect(try error(weighed, values, format, importance) < error(plain, values, format, importance))
    }
    // Equal weights of any size say nothing, and none at all says the same.
    for weight in [0, 1e-30, 1, 1e30] as [Float] {
      let even = [Float](repeating: weight, count: Self.columns)
      let found = try encode(values, format, importance: even)
      if Self.searching.contains(format) || !format.usesImportance {
        #expect(found == plain)
      } else {
        #expect(try error(found, values, format) <= error(plain, values, format) * 1.001)
      }
    }
  }

  /// Bits of one block that hold codes, not scales.
  static let codeBytes: [RowEncoding: Range<Int>] = [
    .q4_K: 16..<144, .q5_K: 16..<176, .q6_K: 0..<192, .iq4_NL: 2..<18,
  ]

  @Test(arguments: searching)
  func `no code can be changed for the better`(format: RowEncoding) throws {
    let count = format.blockElementCount
    for start in [0, 5 * Self.columns, 6 * Self.columns + 256, 9 * Self.columns] {
      let values = Array(Self.sample.values[start..<start + count])
      var block = try encode(values, format, columns: count)
      let best = try error(block, values, format)
      for index in try #require(Self.codeBytes[format]) {
        for bit in 0..<8 {
          block[index] ^= 1 << bit
          // Equal where a scale is zero; rounding of the sums is far below the bound.
          #expect(try error(block, values, format) >= best * (1 - 1e-6), "byte \(index), bit \(bit)")
          block[index] ^= 1 << bit
        }
      }
    }
  }

  @Test(arguments: blockFormats)
  func `rows do not depend on their neighbours`(format: RowEncoding) throws {
    let (values, importance) = Self.sample
    let all = try encode(values, format, importance: importance)
    let rowByteCount = all.count / Self.rows
    for row in [0, 6, 15] {
      let alone = try encode(
        Array(values[row * Self.columns..<(row + 1) * Self.columns]), format, importance: importance)
      #expect(alone == Array(all[row * rowByteCount..<(row + 1) * rowByteCount]))
    }
  }

  @Test(arguments: RowEncoding.allCases)
  func `zeros stay zeros`(format: RowEncoding) throws {
    let zeros = [Float](repeating: 0, count: 512)
    #expect(try decode(encode(zeros, format), format).allSatisfy { $0 == 0 })
    #expect(try decode(encode(zeros.map { -$0 }, format), format).allSatisfy { $0 == 0 })
  }

  @Test(arguments: blockFormats)
  func `one number among zeros survives`(format: RowEncoding) throws {
    for value in [0.03, -0.03, 7, -1000] as [Float] {
      for place in [0, 31, 255] {
        var values = [Float](repeating: 0, count: 256)
        values[place] = value
        let found = try decode(encode(values, format, columns: 256), format)
        // Scales have 11 bits, and some of them pass through 6 bits more.
        #expect(abs(found[place] - value) <= abs(value) * 0x1p-6, "\(found[place]) for \(value)")
        #expect(found.indices.allSatisfy { $0 == place || abs(found[$0]) <= abs(value) * 0x1p-4 })
      }
    }
  }

  @Test(arguments: RowEncoding.allCases)
  func `numbers of every magnitude are rounded or refused`(format: RowEncoding) throws {
    var random = SplitMix(seed: 21)
    for _ in 0..<200 {
      let lowest = Int.random(in: -149...120, using: &random)
      let highest = Int.random(in: lowest...127, using: &random)
      let values = (0..<256).map { _ in
        Float(
          sign: Bool.random(using: &random) ? .plus : .minus,
          exponent: Int.random(in: lowest...highest, using: &random),
          significand: Float.random(in: 1..<2, using: &random))
      }
      let largest = values.reduce(0) { max($0, abs($1)) }
      do {
        let found = try decode(encode(values, format, columns: 256), format)
        #expect(found.allSatisfy { $0.isFinite })
        // A scale that is a subnormal half errs by up to 2⁻²⁵, and codes go up to 31.
        #expect(zip(found, values).allSatisfy { abs($0 - $1) <= largest + 0x1p-19 })
      } catch let failure as RowEncoding.Failure {
        #expect(failure == .outOfRange(row: 0))
        #expect(largest > 32768, "exponents \(lowest)…\(highest) refused")
      }
    }
  }

  @Test(arguments: RowEncoding.allCases)
  func `rows that cannot be rounded are named`(format: RowEncoding) throws {
    for bad in [Float.nan, .infinity, -.infinity] {
      var values = Self.sample.values
      values[11 * Self.columns + 300] = bad
      #expect(throws: RowEncoding.Failure.nonFinite(row: 11)) { try encode(values, format) }
    }
    var values = Self.sample.values
    values[4 * Self.columns + 511] = 3e38
    if format == .f32 || format == .bf16 {
      #expect(try decode(encode(values, format), format).allSatisfy { $0.isFinite })
    } else {
      #expect(throws: RowEncoding.Failure.outOfRange(row: 4)) { try encode(values, format) }
    }
  }
}
