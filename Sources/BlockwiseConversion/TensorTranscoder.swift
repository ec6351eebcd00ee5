internal import BlockwiseFiles
internal import BlockwiseKernels
internal import BlockwiseModels
internal import Foundation
internal import Synchronization

/// Reads tensors row by row, changes what has to change, and hands the bytes on in pieces.
struct TensorTranscoder {
  let pool: WorkerPool
  /// Whether the work should stop.
  let isCancelled: () -> Bool

  /// Elements of the piece that one item of the pool's work converts.
  private static let itemElementCount = 1 << 18

  /// Most bytes that a piece in work takes, with its numbers, for a tensor of the longest row that is usual.
  func workspaceByteCount(longestRow: Int) -> Int {
    pool.threadCount * 2 * max(Self.itemElementCount, longestRow) * 8
  }

  /// Converts a tensor.
  /// - Parameters:
  ///   - type: what it is stored as.
  ///   - importance: of each column, per matrix of the tensor; nil where nothing is known.
  ///   - sink: gets the bytes, in order.
  func transcode(
    _ tensor: ExportTensor, as type: TensorType, importance: [[Float]]? = nil,
    sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    if tensor.storedType == type, !tensor.changesValues {
      try copy(tensor, rowByteCount: type.byteCount(elementCount: tensor.rowLength) ?? 0, sink: sink)
    } else {
      try convert(tensor, as: type, importance: importance, sink: sink)
    }
  }

  /// Hands on the stored bytes.
  private func copy(
    _ tensor: ExportTensor, rowByteCount: Int, sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    guard case .tensors(let views) = tensor.source else { return }
    if tensor.order == .stored {
      let piece = 1 << 22
      for view in views {
        for start in stride(from: 0, to: view.byteCount, by: piece) {
          if isCancelled() { throw ConversionError.cancelled }
          let range = start..<min(start + piece, view.byteCount)
          try sink(UnsafeRawBufferPointer(rebasing: view.bytes[range]))
          view.release(bytes: range)
        }
      }
      return
    }
    let rows = RowTable(views, rowByteCount: rowByteCount)
    var buffer: [UInt8] = []
    for row in 0..<tensor.rowCount {
      buffer.append(contentsOf: rows[tensor.order.source(of: row)])
      if buffer.count >= 1 << 20 || row == tensor.rowCount - 1 {
        if isCancelled() { throw ConversionError.cancelled }
        try buffer.withUnsafeBytes(sink)
        buffer.removeAll(keepingCapacity: true)
      }
    }
  }

  private func convert(
    _ tensor: ExportTensor, as type: TensorType, importance: [[Float]]?,
    sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let (rowCount, columns) = (tensor.rowCount, tensor.rowLength)
    // A vector whose elements move is written element by element, and its type has no blocks.
    guard let encoding = type.encoding, let rowByteCount = type.byteCount(elementCount: columns) else {
      throw ConversionError.format(type.name, reason: "nothing can be written as it")
    }
    if rowCount == 0 { return }
    let rowsPerItem = max(1, Self.itemElementCount / columns)
    let itemsPerPiece = pool.threadCount * 2
    let rowsPerPiece = min(rowCount, rowsPerItem * itemsPerPiece)
    let rowsPerMatrix = rowCount / max(1, importance?.count ?? 1)
    let source = try RowReader(tensor)
    let output = UnsafeMutableRawBufferPointer.allocate(byteCount: rowsPerPiece * rowByteCount, alignment: 64)
    defer { output.deallocate() }
    guard let base = output.baseAddress else { return }
    for start in stride(from: 0, to: rowCount, by: rowsPerPiece) {
      if isCancelled() { throw ConversionError.cancelled }
      let end = min(start + rowsPerPiece, rowCount)
      let fault = Mutex<Fault?>(nil)
      pool.run((end - start + rowsPerItem - 1) / rowsPerItem) { item, _ in
        let first = start + item * rowsPerItem
        var numbers = [Float](repeating: 0, count: columns)
        for row in first..<min(first + rowsPerItem, end) {
          numbers.withUnsafeMutableBufferPointer { source.read(row, into: $0) }
          let target = UnsafeMutableRawBufferPointer(
            start: base + (row - start) * rowByteCount, count: rowByteCount)
          do throws(RowEncoding.Failure) {
            try encoding.encode(numbers, importance: importance?[row / rowsPerMatrix], into: target)
          } catch {
            let found = Fault(row: row, error: error, numbers: numbers)
            fault.withLock { if ($0?.row ?? Int.max) > row { $0 = found } }
            return
          }
        }
      }
      if let found = fault.withLock({ $0 }) {
        let name = source.name(row: found.row)
        switch found.error {
        case .nonFinite: throw ConversionError.nonFinite(tensor: name, file: file(of: tensor))
        case .outOfRange:
          throw ConversionError.tooLarge(
            tensor: name, value: found.largest, format: type.name, file: file(of: tensor))
        }
      }
      try sink(UnsafeRawBufferPointer(rebasing: output[0..<(end - start) * rowByteCount]))
    }
    if case .tensors(let views) = tensor.source { for view in views { view.release() } }
  }

  /// The first row of a piece that cannot be encoded.
  private struct Fault: Sendable {
    var row: Int
    var error: RowEncoding.Failure
    var largest: Float

    init(row: Int, error: RowEncoding.Failure, numbers: [Float]) {
      self.row = row
      self.error = error
      largest = numbers.reduce(0) { abs($1) > abs($0) ? $1 : $0 }
    }
  }

  private func file(of tensor: ExportTensor) -> String {
    if case .tensors(let views) = tensor.source, let view = views.first { return view.file }
    return tensor.name
  }
}

/// The stored rows of tensors that follow one another.
private struct RowTable {
  private let views: [TensorView]
  private let starts: [Int]
  private let rowByteCount: Int

  init(_ views: [TensorView], rowByteCount: Int) {
    self.views = views
    self.rowByteCount = rowByteCount
    var starts: [Int] = []
    var start = 0
    for view in views {
      starts.append(start)
      start += view.byteCount / max(1, rowByteCount)
    }
    self.starts = starts
  }

  /// The tensor that holds a row, and the row's number in it.
  func place(_ row: Int) -> (view: TensorView, row: Int) {
    // Experts are many, so the place is searched by halves.
    var (low, high) = (0, starts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= row { low = middle } else { high = middle }
    }
    return (views[low], row - starts[low])
  }

  subscript(row: Int) -> UnsafeRawBufferPointer {
    let (view, local) = place(row)
    return UnsafeRawBufferPointer(rebasing: view.bytes[local * rowByteCount..<(local + 1) * rowByteCount])
  }
}

/// Reads the rows of a tensor to be written, as numbers.
private struct RowReader {
  private let tensor: ExportTensor
  private let table: RowTable?
  private let type: TensorType
  private let columns: Int

  init(_ tensor: ExportTensor) throws {
    self.tensor = tensor
    columns = tensor.rowLength
    switch tensor.source {
    case .values:
      table = nil
      type = .f32
    case .tensors(let views):
      guard let type = tensor.storedType, type.isDecodable,
        let rowByteCount = type.byteCount(elementCount: tensor.rowLength)
      else {
        let types = Set(views.map(\.type.name)).sorted().joined(separator: " and ")
        throw ConversionError.unreadable(
          tensor: views.first?.name ?? tensor.name, type: types, file: views.first?.file ?? "")
      }
      self.type = type
      table = RowTable(views, rowByteCount: rowByteCount)
    }
  }

  func read(_ row: Int, into numbers: UnsafeMutableBufferPointer<Float>) {
    let row = tensor.order.source(of: row)
    if case .values(let values) = tensor.source {
      for column in 0..<columns { numbers[column] = values[row * columns + column] }
    } else if let source = table?[row].baseAddress, let target = numbers.baseAddress {
      _ = type.decode(source, elementCount: columns, into: target)  // `init` has asked whether it can
    }
    guard tensor.changesValues else { return }
    for column in 0..<columns { numbers[column] = numbers[column] * tensor.factor + tensor.summand }
  }

  func name(row: Int) -> String { table?.place(tensor.order.source(of: row)).view.name ?? tensor.name }
}

extension RowEncoding {
  /// Rounds one row.
  fileprivate func encode(
    _ row: [Float], importance: [Float]?, into output: UnsafeMutableRawBufferPointer
  ) throws(Failure) {
    let result = row.withUnsafeBufferPointer { row in
      Result { () throws(Failure) in
        guard let importance else { return try encode(row, columnCount: row.count, into: output) }
        let result = importance.withUnsafeBufferPointer { importance in
          Result { () throws(Failure) in
            try encode(row, columnCount: row.count, importance: importance, into: output)
          }
        }
        try result.get()
      }
    }
    try result.get()
  }
}
