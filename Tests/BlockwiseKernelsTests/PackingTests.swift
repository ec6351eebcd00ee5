import BlockwiseKernels
import BlockwiseTestSupport
import Testing

@Suite struct PackingTests {
  private func pack(
    _ file: [UInt8], format: WeightFormat, rows: Int, columns: Int, rowOrder: ((Int) -> Int)? = nil
  ) throws -> PackedMatrix {
    try file.withUnsafeBytes {
      try PackedMatrix(
        format: format, rows: rows, columns: columns, source: #require($0.baseAddress),
        pool: WorkerPool(threadCount: 2), rowOrder: rowOrder)
    }
  }

  private func row(_ index: Int, of matrix: PackedMatrix) -> [Float] {
    var values = [Float](repeating: .nan, count: matrix.columns)
    matrix.decodeRow(index, into: &values)
    return values
  }

  @Test(arguments: WeightFormat.allCases)
  func `packed rows decode to the values of the file`(format: WeightFormat) throws {
    for (rows, blocks) in [(1, 1), (16, 2), (37, 3), (5, 1)] {
      var random = SplitMix(seed: rows)
      let columns = format.wholeBlocks(format.blockElementCount == 1 ? blocks * 32 - 5 : blocks * 32)
      let file = random.weights(format: format, rows: rows, columns: columns)
      let matrix = try pack(file, format: format, rows: rows, columns: columns)
      let values = decoded(file, count: rows * columns, as: format)
      for index in 0..<rows {
        #expect(bits(row(index, of: matrix)) == bits(Array(values[index * columns..<(index + 1) * columns])))
      }
    }
  }

  @Test(arguments: WeightFormat.allCases)
  func `packed size is the file's size plus padding only`(format: WeightFormat) throws {
    var random = SplitMix(seed: 9)
    let columns = format.wholeBlocks(96)
    let file = random.weights(format: format, rows: 64, columns: columns)
    let found = try pack(file, format: format, rows: 64, columns: columns).byteCount
    // Scales of 6 bits take 8, and what is left of a cache line behind the scales of Q6_K stays empty.
    #expect(
      format.blockElementCount == 256 ? Double(found) <= 1.03 * Double(file.count) : found == file.count)
  }

  @Test func `rows follow the given order`() throws {
    var random = SplitMix(seed: 10)
    let file = random.weights(format: .q8_0, rows: 40, columns: 32)
    let plain = try pack(file, format: .q8_0, rows: 40, columns: 32)
    let order = Array(0..<40).shuffled(using: &random)
    let shuffled = try pack(file, format: .q8_0, rows: 40, columns: 32, rowOrder: { order[$0] })
    for index in 0..<40 { #expect(row(index, of: shuffled) == row(order[index], of: plain)) }
  }

  @Test func `several sources are stacked`() throws {
    var random = SplitMix(seed: 11)
    let pieces = [5, 0, 20, 1].map { rows in (rows, random.weights(format: .bf16, rows: rows, columns: 40)) }
    let whole = try pack(Array(pieces.map(\.1).joined()), format: .bf16, rows: 26, columns: 40)
    let copies = pieces.map { piece in
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, piece.1.count), alignment: 8)
      copy.copyBytes(from: piece.1)
      return copy
    }
    defer { for copy in copies { copy.deallocate() } }
    var sources: [PackedMatrix.Source] = []
    for (piece, copy) in zip(pieces, copies) {
      sources.append(
        PackedMatrix.Source(base: UnsafeRawPointer(try #require(copy.baseAddress)), rowCount: piece.0))
    }
    let stacked = try PackedMatrix(
      format: .bf16, columns: 40, sources: sources, pool: WorkerPool(threadCount: 1))
    #expect(stacked.rows == 26)
    for index in 0..<26 { #expect(row(index, of: stacked) == row(index, of: whole)) }
  }

  @Test func `progress names every row once and in order`() throws {
    var random = SplitMix(seed: 12)
    // Large enough for several calls.
    let (rows, columns) = (6000, 2048)
    let file = random.weights(format: .q8_0, rows: 30, columns: columns)
    let tall = Array([[UInt8]](repeating: file, count: rows / 30).joined())
    var ranges: [Range<Int>] = []
    try tall.withUnsafeBytes {
      _ = try PackedMatrix(
        format: .q8_0, rows: rows, columns: columns, source: #require($0.baseAddress),
        pool: WorkerPool(threadCount: 1), didPack: { ranges.append($0) })
    }
    #expect(ranges.count > 1)
    #expect(ranges.first?.lowerBound == 0)
    #expect(ranges.last?.upperBound == rows)
    for (range, next) in zip(ranges, ranges.dropFirst()) { #expect(range.upperBound == next.lowerBound) }
  }

  @Test(arguments: WeightFormat.allCases)
  func `a NaN or infinite weight is refused with its row`(format: WeightFormat) throws {
    var random = SplitMix(seed: 13)
    let (rows, columns) = (70, format.wholeBlocks(64))
    let clean = random.weights(format: format, rows: rows, columns: columns)
    let rowByteCount = try #require(format.rowByteCount(elementCount: columns))
    let patterns: [[UInt8]] =
      switch format {
      case .f32, .i4, .i4m, .i5m: [[0, 0, 0x80, 0x7F], [0, 0, 0x80, 0xFF], [1, 0, 0xC0, 0x7F]]
      case .bf16: [[0x80, 0x7F], [0x80, 0xFF], [0xC1, 0x7F]]
      case .f16, .q8_0, .q4_0, .q4_K, .q5_K, .q6_K: [[0, 0x7C], [0, 0xFC], [1, 0x7E]]
      }
    for pattern in patterns {
      for bad in [0, 15, 16, 37, 69] {
        var file = clean
        let unit = format.blockByteCount
        let start = bad * rowByteCount + (rowByteCount / unit - 1) * unit + (format == .q6_K ? 208 : 0)
        file.replaceSubrange(start..<start + pattern.count, with: pattern)
        #expect(throws: PackingError.nonFinite(row: bad)) {
          try pack(file, format: format, rows: rows, columns: columns)
        }
      }
    }
  }

  @Test func `impossible shapes are refused`() throws {
    let byte = [UInt8](repeating: 0, count: 64)
    #expect(throws: PackingError.raggedRow(blockElementCount: 32, columns: 33)) {
      try pack(byte, format: .q4_0, rows: 1, columns: 33)
    }
    #expect(throws: PackingError.size(rows: 0, columns: 32)) {
      try pack(byte, format: .f32, rows: 0, columns: 32)
    }
    #expect(throws: PackingError.size(rows: 1, columns: 0)) {
      try pack(byte, format: .f32, rows: 1, columns: 0)
    }
    #expect(throws: PackingError.size(rows: .max / 64, columns: .max / 64)) {
      try pack(byte, format: .f32, rows: .max / 64, columns: .max / 64)
    }
    #expect(throws: PackingError.self) { try pack(byte, format: .f32, rows: 1 << 24, columns: 1 << 30) }
  }
}
