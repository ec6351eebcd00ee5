import BlockwiseKernels
import BlockwiseTestSupport
import Testing

@Suite struct StoredBlockFormatTests {
  /// Digests of the values that the reference (ggml) gives for blocks of random bytes, one seed per type.
  static let digests: [StoredBlockFormat: UInt64] = [
    .q4_1: 0x98CF_2393_CCFB_8ABE,
    .q5_0: 0x8EEE_5D55_64A7_7525,
    .q5_1: 0x5FEE_B86E_7B8D_2DFA,
    .q2_K: 0x639C_F9B1_9FB5_F5B8,
    .q3_K: 0x567E_6A8E_F35D_A8E5,
    .iq2_XXS: 0x2CF1_2CED_2B5A_0D71,
    .iq2_XS: 0x7E32_5973_941C_D835,
    .iq3_XXS: 0xAFE2_0695_1D03_6FE5,
    .iq1_S: 0xEBFE_1557_1BBA_25E5,
    .iq4_NL: 0x78B9_93B3_7FDC_41A5,
    .iq3_S: 0x6FFD_CE31_FA27_1465,
    .iq2_S: 0xB15F_E4D1_0F2C_A5B1,
    .iq4_XS: 0x9F4A_2584_39E4_B7E5,
    .iq1_M: 0xF73A_B289_FEA5_9065,
    .tq1_0: 0x04B7_2CBB_1558_0325,
    .tq2_0: 0xCA49_8635_3B24_4325,
    .mxfp4: 0x73A8_55D0_ABEE_C325,
    .nvfp4: 0x5DC4_997E_1A13_6325,
    .q1_0: 0x85FB_9834_EDC1_A325,
    .q2_0: 0x098E_6DCE_B768_2325,
  ]

  private func randomBlocks(_ format: StoredBlockFormat, count: Int, seed: UInt64) throws -> [UInt8] {
    var random = SplitMix(seed: seed)
    var bytes: [UInt8] = []
    while bytes.count < count * format.blockByteCount {
      let block = (0..<format.blockByteCount).map { _ in UInt8(random.next() >> 56) }
      if try decoded(block, format).allSatisfy(\.isFinite) { bytes += block }
    }
    return bytes
  }

  private func decoded(_ raw: [UInt8], _ format: StoredBlockFormat) throws -> [Float] {
    let count = raw.count / format.blockByteCount * format.blockElementCount
    var values = [Float](repeating: 0, count: count)
    try raw.withUnsafeBytes {
      format.decode(try #require($0.baseAddress), elementCount: count, into: &values)
    }
    return values
  }

  @Test(arguments: StoredBlockFormat.allCases)
  func `blocks of any bytes have the values of the reference`(format: StoredBlockFormat) throws {
    var random = SplitMix(seed: Int(format.rawValue))
    let raw = (0..<64 * format.blockByteCount).map { _ in UInt8(random.next() >> 56) }
    let digest = try decoded(raw, format).reduce(UInt64(0xCBF2_9CE4_8422_2325)) { digest, value in
      (digest ^ UInt64(value.isNaN ? 0x7FC0_0000 : value.bitPattern)) &* 0x100_0000_01B3
    }
    #expect(digest == Self.digests[format])
  }

  @Test(arguments: [
    (WeightFormat.q4_K, 0xE9BE_26D2_91CA_C674 as UInt64), (.q5_K, 0xF29F_719E_9491_061E),
    (.q6_K, 0x436C_3EDA_E0CC_64D5),
  ])
  func `blocks of 256 that the kernels compute with have the values of the reference too`(
    format: WeightFormat, expected: UInt64
  ) {
    var random = SplitMix(seed: Int(format.rawValue))
    let raw = (0..<64 * format.blockByteCount).map { _ in UInt8(random.next() >> 56) }
    let values = BlockwiseKernelsTests.decoded(raw, count: 64 * 256, as: format)
    let digest = values.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { digest, value in
      (digest ^ UInt64(value.isNaN ? 0x7FC0_0000 : value.bitPattern)) &* 0x100_0000_01B3
    }
    #expect(digest == expected)
  }

  @Test func `all block types become integers under scales`() {
    let formats = Dictionary(grouping: StoredBlockFormat.allCases, by: \.residentFormat)
    #expect(
      formats == [
        .q8_0: [.q5_0, .iq4_NL], .q4_0: [.tq1_0, .tq2_0, .q1_0, .q2_0], .i4m: [.q4_1, .q2_K],
        .i5m: [.q5_1],
        .i4: [
          .q3_K, .iq2_XXS, .iq2_XS, .iq3_XXS, .iq1_S, .iq3_S, .iq2_S, .iq4_XS, .iq1_M, .mxfp4, .nvfp4,
        ],
      ])
  }

  @Test(arguments: StoredBlockFormat.allCases)
  func `packed rows are the f32 values of the file`(format: StoredBlockFormat) throws {
    for (rows, blocks) in [(1, 1), (16, 2), (37, 3)] {
      let columns = blocks * format.blockElementCount
      let file = try randomBlocks(format, count: rows * blocks, seed: 12)
      let values = try decoded(file, format)
      let pool = WorkerPool(threadCount: 2)
      try file.withUnsafeBytes {
        let source = try #require($0.baseAddress)
        let matrix = try PackedMatrix(
          format: format.residentFormat, stored: format, columns: columns,
          sources: [.init(base: source, rowCount: rows)],
          pool: pool)
        let table = try StoredRows(format: format, rows: rows, columns: columns, source: source, pool: pool)
        #expect(table.byteCount == file.count)
        for index in 0..<rows {
          let expected = bits(Array(values[index * columns..<(index + 1) * columns]))
          var row = [Float](repeating: .nan, count: columns)
          matrix.decodeRow(index, into: &row)
          #expect(bits(row) == expected)
          table.decodeRow(index, into: &row)
          #expect(bits(row) == expected)
        }
      }
    }
  }

  /// Half-precision numbers at the ends of the range, subnormal ones, zeros and a NaN among them; of a block of MXFP4 they
  /// are its scale and two codes.
  static let extremes: [UInt16] = [
    0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x83FF, 0x0400, 0x7BFF, 0xFBFF, 0x00FE, 0x00FD, 0x11FE, 0x7FFE,
  ]

  @Test(arguments: StoredBlockFormat.allCases)
  func `packed rows of extreme scales are the f32 values of the file`(format: StoredBlockFormat) throws {
    var random = SplitMix(seed: Int(format.rawValue))
    let pool = WorkerPool(threadCount: 1)
    let columns = format.blockElementCount
    var (packedCount, refusedCount) = (0, 0)
    for seed in 0..<3000 {
      var block = (0..<format.blockByteCount).map { _ in UInt8(random.next() >> 56) }
      // Where scales lie in most types, or anywhere.
      let place = [0, 2, block.count - 2, Int.random(in: 0...block.count - 2, using: &random)][seed % 4]
      let extreme = Self.extremes[Int.random(in: 0..<Self.extremes.count, using: &random)]
      block.replaceSubrange(place..<place + 2, with: [UInt8(extreme & 255), UInt8(extreme >> 8)])
      let values = try decoded(block, format)
      try block.withUnsafeBytes {
        let source = [PackedMatrix.Source(base: try #require($0.baseAddress), rowCount: 1)]
        guard values.allSatisfy(\.isFinite) else {
          refusedCount += 1
          #expect(throws: PackingError.nonFinite(row: 0), "seed \(seed)") {
            try PackedMatrix(
              format: format.residentFormat, stored: format, columns: columns, sources: source, pool: pool)
          }
          return
        }
        packedCount += 1
        let matrix = try PackedMatrix(
          format: format.residentFormat, stored: format, columns: columns, sources: source, pool: pool)
        var row = [Float](repeating: .nan, count: columns)
        matrix.decodeRow(0, into: &row)
        #expect(bits(row) == bits(values), "seed \(seed)")
      }
    }
    // A scale of NVFP4 has no pattern that is not a number.
    #expect(packedCount > 1000 && (refusedCount > 10 || format == .nvfp4), "\(packedCount), \(refusedCount)")
  }

  /// Types whose blocks can hold a NaN or infinity in bytes that are easily named: those with a half-precision scale.
  static let scalePlaces: [(format: StoredBlockFormat, offset: Int)] = [
    (.q4_1, 0), (.q4_1, 2), (.q5_0, 0), (.q5_1, 2), (.q2_K, 80), (.q2_K, 82), (.q3_K, 108),
    (.iq4_NL, 0), (.iq4_XS, 0), (.iq2_XXS, 0), (.iq2_XS, 0),
    (.iq2_S, 0), (.iq3_XXS, 0), (.iq3_S, 0), (.iq1_S, 0), (.tq1_0, 52), (.tq2_0, 64), (.q1_0, 0), (.q2_0, 0),
  ]

  @Test(arguments: scalePlaces)
  func `a NaN or infinite scale is refused with its row`(format: StoredBlockFormat, offset: Int) throws {
    let (rows, blocks) = (35, 2)
    let columns = blocks * format.blockElementCount
    let clean = try randomBlocks(format, count: rows * blocks, seed: 13)
    let pool = WorkerPool(threadCount: 2)
    for (bad, pattern) in [(0, [0, 0x7C]), (15, [0, 0xFC]), (16, [1, 0x7E]), (34, [0, 0x7C])]
      as [(Int, [UInt8])]
    {
      var file = clean
      let start = (bad * blocks + 1) * format.blockByteCount + offset
      file.replaceSubrange(start..<start + 2, with: pattern)
      try file.withUnsafeBytes {
        let source = try #require($0.baseAddress)
        #expect(throws: PackingError.nonFinite(row: bad)) {
          try PackedMatrix(
            format: format.residentFormat, stored: format, columns: columns,
            sources: [.init(base: source, rowCount: rows)],
            pool: pool)
        }
        #expect(throws: PackingError.nonFinite(row: bad)) {
          try StoredRows(format: format, rows: rows, columns: columns, source: source, pool: pool)
        }
      }
    }
  }

  @Test func `rows that are no whole blocks are refused`() throws {
    let bytes = [UInt8](repeating: 0, count: 1024)
    let pool = WorkerPool(threadCount: 1)
    try bytes.withUnsafeBytes {
      let source = try #require($0.baseAddress)
      #expect(throws: PackingError.raggedRow(blockElementCount: 256, columns: 288)) {
        try PackedMatrix(
          format: .i4, stored: .q3_K, columns: 288, sources: [.init(base: source, rowCount: 1)], pool: pool)
      }
      #expect(throws: PackingError.raggedRow(blockElementCount: 256, columns: 288)) {
        try StoredRows(format: .q3_K, rows: 1, columns: 288, source: source, pool: pool)
      }
      #expect(throws: PackingError.size(rows: 0, columns: 256)) {
        try StoredRows(format: .q3_K, rows: 0, columns: 256, source: source, pool: pool)
      }
      #expect(throws: PackingError.self) {
        try StoredRows(format: .q3_K, rows: .max / 128, columns: 256, source: source, pool: pool)
      }
    }
  }

  @Test func `copying names every row once and in order`() throws {
    let (rows, blocks) = (9000, 16)
    let piece = try randomBlocks(.q3_K, count: 30 * blocks, seed: 14)
    let tall = Array([[UInt8]](repeating: piece, count: rows / 30).joined())
    var ranges: [Range<Int>] = []
    try tall.withUnsafeBytes {
      _ = try StoredRows(
        format: .q3_K, rows: rows, columns: 256 * blocks, source: #require($0.baseAddress),
        pool: WorkerPool(threadCount: 1), didCopy: { ranges.append($0) })
    }
    #expect(ranges.count > 1)
    #expect(ranges.first?.lowerBound == 0)
    #expect(ranges.last?.upperBound == rows)
    for (range, next) in zip(ranges, ranges.dropFirst()) { #expect(range.upperBound == next.lowerBound) }
  }

  @Test(arguments: StoredBlockFormat.allCases, KernelVariant.available)
  func `products with kept blocks have the bits of those with tiles`(
    format: StoredBlockFormat, variant: KernelVariant
  ) throws {
    let kernels = Kernels(variant)
    let columns = 512
    for (rows, rowCount) in [(1, 1), (16, 2), (37, 5), (70, 3)] {
      let file = try randomBlocks(format, count: rows * columns / format.blockElementCount, seed: 15)
      var random = SplitMix(seed: rows)
      let bias = random.floats(rows)
      for threadCount in [1, 3] {
        let pool = WorkerPool(threadCount: threadCount)
        let x = try ActivationRows(capacity: rowCount, columnCount: columns)
        for row in 0..<rowCount { for k in 0..<columns { x.row(row)[k] = random.float() } }
        x.quantize(rowCount: rowCount, kernels: kernels)
        try file.withUnsafeBytes {
          let source = try #require($0.baseAddress)
          let tiles = try PackedMatrix(
            format: format.residentFormat, stored: format, columns: columns,
            sources: [.init(base: source, rowCount: rows)], pool: pool)
          let kept = PackedMatrix(
            keeping: try StoredRows(format: format, rows: rows, columns: columns, source: source, pool: pool),
            scratch: try TileScratch(workerCount: threadCount, columns: columns))
          #expect(kept.keptFormat == format && tiles.keptFormat == nil)
          #expect(kept.byteCount == file.count && kept.format == tiles.format)
          // Wider than needed and filled with a mark, to see that nothing else is written.
          let stride = rows + 3
          for (mode, hasBias) in [(MatmulMode.f32, true), (.int8, false)] {
            var outputs: [[Float]] = []
            for matrix in [tiles, kept] {
              var y = [Float](repeating: -77, count: rowCount * stride)
              bias.withUnsafeBufferPointer { bias in
                kernels.matmul(
                  matrix, input: x, rowCount: rowCount, output: &y, outputStride: stride,
                  bias: hasBias ? bias.baseAddress : nil, mode: mode, pool: pool)
              }
              outputs.append(y)
            }
            #expect(
              bits(outputs[0]) == bits(outputs[1]), "\(rows) × \(rowCount), \(mode), \(threadCount) threads")
          }
        }
      }
    }
  }

  @Test func `kept rows follow the given order`() throws {
    let file = try randomBlocks(.q3_K, count: 40, seed: 16)
    var random = SplitMix(seed: 10)
    let order = Array(0..<40).shuffled(using: &random)
    try file.withUnsafeBytes {
      let source = try #require($0.baseAddress)
      let pool = WorkerPool(threadCount: 2)
      let plain = try StoredRows(format: .q3_K, rows: 40, columns: 256, source: source, pool: pool)
      let shuffled = PackedMatrix(
        keeping: try StoredRows(
          format: .q3_K, rows: 40, columns: 256, source: source, pool: pool, rowOrder: { order[$0] }),
        scratch: try TileScratch(workerCount: 2, columns: 256))
      for index in 0..<40 {
        var (found, expected) = ([Float](repeating: 0, count: 256), [Float](repeating: 0, count: 256))
        shuffled.decodeRow(index, into: &found)
        plain.decodeRow(order[index], into: &expected)
        #expect(bits(found) == bits(expected))
      }
    }
  }
}
