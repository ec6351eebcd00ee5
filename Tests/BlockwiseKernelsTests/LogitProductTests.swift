import BlockwiseKernels
import BlockwiseTestSupport
import Testing

/// The head in tiles of the vocabulary against the whole product, cap, mask and statistics one after the other.
@Suite struct LogitProductTests {
  private static let vocabularyCount = 2 * 1024 + 453
  private static let columns = 96

  /// Everything, single entries, whole tiles without one, the edges of tiles, nothing.
  private static func masks(_ random: inout SplitMix) -> [[Bool]?] {
    let count = vocabularyCount
    return [
      nil, (0..<count).map { $0 == 1500 }, (0..<count).map { !(1024..<2048).contains($0) },
      (0..<count).map { [0, 1023, 1024, 2047, 2048, count - 1].contains($0) },
      (0..<count).map { _ in Bool.random(using: &random) }, Array(repeating: false, count: count),
      (0..<count).map { _ in Int.random(in: 0..<400, using: &random) == 0 },
    ]
  }

  @Test(arguments: [WeightFormat.f32, .q8_0, .q4_0], [nil, Float(3)])
  func `tiles of the vocabulary give the logits and statistics of the whole`(
    format: WeightFormat, softCap: Float?
  ) throws {
    var random = SplitMix(seed: 11)
    let (count, columns) = (Self.vocabularyCount, Self.columns)
    let weights = random.weights(format: format, rows: count, columns: columns)
    let bias = random.floats(count)
    let masks = Self.masks(&random)
    let x = try ActivationRows(capacity: masks.count, columnCount: columns)
    for row in masks.indices {
      for (column, value) in random.floats(columns, 2).enumerated() { x.row(row)[column] = value }
    }
    let reference = Kernels(.scalar)
    x.quantize(rowCount: masks.count, kernels: reference)

    // One row after the other, on one thread.
    let single = WorkerPool(threadCount: 1)
    let matrix = try weights.withUnsafeBytes {
      try PackedMatrix(
        format: format, rows: count, columns: columns, source: #require($0.baseAddress), pool: single)
    }
    var whole = [Float](repeating: 0, count: masks.count * count)
    reference.matmul(
      matrix, input: x, rowCount: masks.count, output: &whole, outputStride: count, bias: bias, mode: .int8,
      pool: single)
    if let softCap {
      whole.withUnsafeMutableBufferPointer {
        reference.softCap($0.baseAddress!, cap: softCap, into: $0.baseAddress!, count: $0.count)
      }
    }
    for (row, mask) in masks.enumerated() {
      guard let mask else { continue }
      for entry in 0..<count where !mask[entry] { whole[row * count + entry] = -.infinity }
    }
    let expected = masks.indices.map {
      reference.statistics(ofLogits: Array(whole[$0 * count..<($0 + 1) * count]), count: count)
    }
    #expect(expected.allSatisfy { $0 != nil })

    for variant in KernelVariant.available {
      for threadCount in 1...4 {
        let pool = WorkerPool(threadCount: threadCount)
        let memory = try LogitMemory(
          rowCapacity: masks.count, vocabularyCount: count, workerCount: threadCount)
        let kept = try AlignedBuffer<Float>(count: masks.count * count)
        let words = try masks.map { mask in
          let words = try AlignedBuffer<UInt64>(count: (count + 63) / 64)
          for entry in 0..<count where mask?[entry] == true {
            words.pointer[entry >> 6] |= 1 << UInt64(entry & 63)
          }
          return words
        }
        // With all masks at once, so that tiles are computed that only some rows want, and with each alone.
        for rows in [Array(masks.indices)] + masks.indices.map({ [$0] }) {
          kept.elements.update(repeating: .nan)
          let input = try ActivationRows(capacity: rows.count, columnCount: columns)
          for (index, row) in rows.enumerated() { input.row(index).update(from: x.row(row), count: columns) }
          input.quantize(rowCount: rows.count, kernels: reference)
          let list = rows.map { row in
            LogitRow(
              target: kept.pointer + row * count,
              allowed: masks[row] == nil ? nil : UnsafePointer(words[row].pointer))
          }
          var statistics = [LogitStatistics?](repeating: nil, count: rows.count)
          list.withUnsafeBufferPointer { list in
            statistics.withUnsafeMutableBufferPointer {
              Kernels(variant).logits(
                matrix, input: input, rows: list, bias: bias, softCap: softCap, mode: .int8, pool: pool,
                memory: memory, statistics: $0)
            }
          }
          for (index, row) in rows.enumerated() {
            let found = Array(kept.elements[row * count..<(row + 1) * count])
            #expect(
              bits(found) == bits(Array(whole[row * count..<(row + 1) * count])),
              "\(variant), \(threadCount) threads, mask \(row) of \(rows.count)")
            #expect(statistics[index] == expected[row], "\(variant), \(threadCount) threads, mask \(row)")
          }
        }
      }
    }
  }
}
