internal import BlockwiseKernels
internal import BlockwiseModels
internal import Foundation

/// Measures the machine's limits beside a model, with as many threads and the same kernels.
///
/// Unchecked because of memory and results: they are touched on the meter's own thread and its pool only.
final class LimitMeter: @unchecked Sendable {
  private let thread: EngineThread
  private let pool: WorkerPool
  private let kernels: Kernels
  private let format: WeightFormat
  private let mode: MatmulMode
  private let memory: AlignedMemory
  private let pieceCount: Int
  private var pattern = MachineProbe.ReadPattern.candidates[0]
  private var bandwidths = Samples()
  private var operationRate = 0.0
  private var instructionRate: Double?

  /// Streams of a thread read through so much of one piece.
  private static let pieceByteCount = 4 << 20
  /// What no cache holds; less where the system has little.
  private static let wantedByteCount = 512 << 20
  private static let leastByteCount = 64 << 20

  init(_ summary: ModelSummary) throws {
    thread = try EngineThread()
    pool = WorkerPool(threadCount: summary.threadCount)
    kernels = Kernels(summary.kernelVariant)
    // The format that most weights have.
    format = summary.formats.max { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }?.key ?? .f32
    mode = (summary.computesInt8 ? MatmulMode.int8 : .f32).resolved(for: format)
    let available = SystemMemory.availableByteCount ?? Self.wantedByteCount
    let size = min(Self.wantedByteCount, max(Self.leastByteCount, available / 4))
    pieceCount = size / Self.pieceByteCount
    // As weights lie: aligned, in huge pages where the system has them.
    memory = try AlignedMemory(byteCount: pieceCount * Self.pieceByteCount)
    // Touched by the threads that read it, so that every page is there.
    let base = memory.base
    pool.run(pieceCount) { piece, _ in
      memset(base + piece * Self.pieceByteCount, Int32(piece & 0xFF), Self.pieceByteCount)
    }
  }

  deinit { memory.deallocate() }

  /// Finds the fastest way to read and the peaks of arithmetic; about half a second.
  func calibrate() async throws {
    try await thread.run {
      let candidates = MachineProbe.ReadPattern.candidates
      var rates = candidates.map { _ in Samples() }
      for _ in 0..<3 {
        for index in candidates.indices { rates[index].append(try self.readRate(candidates[index])) }
      }
      let best = candidates.indices.max { rates[$0].median < rates[$1].median } ?? 0
      self.pattern = candidates[best]
      try self.measureArithmetic()
    }
  }

  /// Reads the memory once: some tens of milliseconds. Called between passes again and again, because the bandwidth of a
  /// shared machine may double or halve within a second.
  func sampleBandwidth() async throws {
    try await thread.run { self.bandwidths.append(try self.readRate(self.pattern)) }
  }

  /// What was found, the peaks of arithmetic measured once more.
  func limits() async throws -> MachineLimits {
    try await thread.run {
      if self.bandwidths.values.isEmpty { self.bandwidths.append(try self.readRate(self.pattern)) }
      try self.measureArithmetic()
      return MachineLimits(
        readBandwidth: self.bandwidths.median, bestReadBandwidth: self.bandwidths.values.max() ?? 0,
        operationRate: self.operationRate, instructionRate: self.instructionRate, isInt8: self.mode == .int8)
    }
  }

  private func measureArithmetic() throws {
    operationRate = max(operationRate, try measureProducts())
    instructionRate = [instructionRate, measureInstructions()].compactMap(\.self).max()
  }

  /// Bytes per second of reading the memory as the kernels read weights: several streams to a thread.
  private func readRate(_ pattern: MachineProbe.ReadPattern) throws -> Double {
    let sums = try AlignedBuffer<UInt64>(count: pieceCount)
    defer { withExtendedLifetime(sums) {} }
    let (base, target) = (memory.base, sums.pointer)
    let seconds = time {
      pool.run(pieceCount) { piece, _ in
        target[piece] = MachineProbe.sum(
          base + piece * Self.pieceByteCount, byteCount: Self.pieceByteCount, pattern: pattern)
      }
    }
    // The sums are known, so that the reads cannot be left out: piece p holds the byte p everywhere.
    let words = UInt64(Self.pieceByteCount / 8)
    for piece in 0..<pieceCount {
      precondition(
        target[piece] == UInt64(piece & 0xFF) &* 0x0101_0101_0101_0101 &* words,
        "memory changed while it was read")
    }
    return Double(memory.byteCount) / seconds
  }

  /// Multiplies 64 rows with a matrix that fits into every core's own cache.
  private func measureProducts() throws -> Double {
    let (rows, columns, batch) = (256 * pool.threadCount, 512, 64)
    let rowByteCount = format.rowByteCount(elementCount: columns) ?? 0
    // All zero is a finite value in every format; products do not become faster with zeros.
    let source = try AlignedBuffer<UInt8>(count: rows * rowByteCount)
    let output = try AlignedBuffer<Float>(count: batch * rows)
    defer { withExtendedLifetime((source, output)) {} }
    let matrix = try PackedMatrix(
      format: format, columns: columns,
      sources: [PackedMatrix.Source(base: UnsafeRawPointer(source.pointer), rowCount: rows)], pool: pool)
    let input = try ActivationRows(capacity: batch, columnCount: columns)
    for row in 0..<batch {
      for column in 0..<columns { input.row(row)[column] = Float(column % 7) - 3 }
    }
    input.quantize(rowCount: batch, kernels: kernels)
    let operations = 2.0 * Double(rows) * Double(columns) * Double(batch)
    var (best, spent) = (0.0, 0.0)
    while spent < 0.1 {
      let seconds = time {
        kernels.matmul(
          matrix, input: input, rowCount: batch, output: output.pointer, outputStride: rows, mode: mode,
          pool: pool)
      }
      spent += seconds
      best = max(best, operations / seconds)
    }
    return best
  }

  /// The instructions of the products on registers, on all threads at once.
  private func measureInstructions() -> Double? {
    let (itemCount, roundCount) = (pool.threadCount * 16, 20_000)
    let results = UnsafeMutablePointer<Float>.allocate(capacity: itemCount)
    defer { results.deallocate() }
    results.initialize(repeating: 0, count: itemCount)
    guard let operations = kernels.runArithmetic(mode, roundCount: 1, result: &results[0]) else { return nil }
    var (best, spent) = (0.0, 0.0)
    while spent < 0.05 {
      let seconds = time {
        pool.run(itemCount) { item, _ in
          _ = kernels.runArithmetic(mode, roundCount: roundCount, result: &results[item])
        }
      }
      spent += seconds
      best = max(best, operations * Double(roundCount) * Double(itemCount) / seconds)
    }
    return best
  }

  private func time(_ body: () -> Void) -> Double {
    let start = ContinuousClock.now
    body()
    return max((ContinuousClock.now - start) / .seconds(1), 1e-9)
  }
}
