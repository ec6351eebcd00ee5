package import BlockwiseKernels
import Foundation

/// What the machine can do at best, measured with the threads of the benchmark: the two sides of the roofline.
public struct MachineLimits: Sendable, Hashable {
  /// Bytes per second that all threads together read from memory.
  public var readBandwidth: Double
  /// Multiplications and additions per second of the engine's own products with weights in the cache: the peak that the
  /// kernels can reach, not the one of the data sheet.
  public var operationRate: Double

  /// The better of two measurements, side by side: disturbances only ever make a machine look slower.
  public func merged(with other: MachineLimits) -> MachineLimits {
    MachineLimits(
      readBandwidth: max(readBandwidth, other.readBandwidth),
      operationRate: max(operationRate, other.operationRate))
  }

  /// Least seconds of a pass that reads `byteCount` bytes of weights and performs `operationCount` operations.
  public func roofline(byteCount: Int, operationCount: Double) -> Double {
    max(Double(byteCount) / readBandwidth, operationCount / operationRate)
  }

  /// The processor's name, or an empty string where the system does not tell.
  public static var processorName: String {
    guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8) else { return "" }
    for line in text.split(separator: "\n") where line.hasPrefix("model name") {
      return line.drop { $0 != ":" }.dropFirst().trimmingCharacters(in: .whitespaces)
    }
    return ""
  }

  /// Measures both limits, on the calling thread and the pool's; about half a second.
  package static func measure(
    kernels: Kernels, format: WeightFormat, mode: MatmulMode, pool: WorkerPool
  ) throws -> MachineLimits {
    MachineLimits(
      readBandwidth: measureBandwidth(pool: pool),
      operationRate: try measureOperations(kernels: kernels, format: format, mode: mode, pool: pool))
  }

  /// Reads a buffer that no cache holds, in pieces that the threads share.
  private static func measureBandwidth(pool: WorkerPool) -> Double {
    let pieceByteCount = 1 << 20
    let pieceCount = 192
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceCount * pieceByteCount, alignment: 64)
    defer { memory.deallocate() }
    guard let base = memory.baseAddress else { return 1 }
    // Touched by the threads that read it, so that every page is there.
    pool.run(pieceCount) { piece, _ in memset(base + piece * pieceByteCount, Int32(piece), pieceByteCount) }
    let sums = UnsafeMutablePointer<UInt64>.allocate(capacity: pieceCount)
    defer { sums.deallocate() }
    var best = 0.0
    for _ in 0..<5 {
      let seconds = time {
        pool.run(pieceCount) { piece, _ in
          sums[piece] = sum(base + piece * pieceByteCount, byteCount: pieceByteCount)
        }
      }
      best = max(best, Double(memory.count) / seconds)
    }
    // The sums are known, so that the reads cannot be left out: piece p holds the byte p everywhere.
    let words = UInt64(pieceByteCount / 8)
    for piece in 0..<pieceCount {
      precondition(
        sums[piece] == UInt64(piece) &* 0x0101_0101_0101_0101 &* words, "memory changed while it was read")
    }
    return best
  }

  private static func sum(_ start: UnsafeRawPointer, byteCount: Int) -> UInt64 {
    typealias Line = SIMD8<UInt64>
    var first = Line.zero
    var second = Line.zero
    var offset = 0
    while offset < byteCount {
      first &+= start.load(fromByteOffset: offset, as: Line.self)
      second &+= start.load(fromByteOffset: offset + 64, as: Line.self)
      offset += 128
    }
    return (first &+ second).wrappedSum()
  }

  /// Multiplies 64 rows with a matrix that fits into every core's own cache.
  private static func measureOperations(
    kernels: Kernels, format: WeightFormat, mode: MatmulMode, pool: WorkerPool
  ) throws -> Double {
    let (rows, columns, batch) = (256 * pool.threadCount, 512, 64)
    let rowByteCount = format.rowByteCount(elementCount: columns) ?? 0
    let source = UnsafeMutableRawBufferPointer.allocate(byteCount: rows * rowByteCount, alignment: 64)
    defer { source.deallocate() }
    // All zero is a finite value in every format; products do not become faster with zeros.
    source.initializeMemory(as: UInt8.self, repeating: 0)
    guard let base = source.baseAddress else { return 1 }
    let matrix = try PackedMatrix(
      format: format, columns: columns,
      sources: [PackedMatrix.Source(base: UnsafeRawPointer(base), rowCount: rows)], pool: pool)
    let input = try ActivationRows(capacity: batch, columnCount: columns)
    for row in 0..<batch {
      for column in 0..<columns { input.row(row)[column] = Float(column % 7) - 3 }
    }
    input.quantize(rowCount: batch, kernels: kernels)
    let output = UnsafeMutablePointer<Float>.allocate(capacity: batch * rows)
    defer { output.deallocate() }
    let operations = 2.0 * Double(rows) * Double(columns) * Double(batch)
    var best = 0.0
    var spent = 0.0
    while spent < 0.2 {
      let seconds = time {
        kernels.matmul(
          matrix, input: input, rowCount: batch, output: output, outputStride: rows, mode: mode, pool: pool)
      }
      spent += seconds
      best = max(best, operations / seconds)
    }
    return best
  }

  private static func time(_ body: () -> Void) -> Double {
    let start = ContinuousClock.now
    body()
    return max((ContinuousClock.now - start) / .seconds(1), 1e-9)
  }
}
