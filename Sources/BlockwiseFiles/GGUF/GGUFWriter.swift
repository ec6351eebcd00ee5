/// Writes a GGUF file, version 3, tensor by tensor: never more of it is in memory than a caller hands over at once.
///
/// ```
/// var writer = try GGUFWriter(path: "model.gguf", metadata: metadata, tensors: tensors)
/// for tensor in tensors { try writer.write(bytes(of: tensor)) }     // in the order of the list, in pieces of any size
/// try writer.finish()
/// ```
///
/// The file appears whole or not at all.
package struct GGUFWriter: ~Copyable {
  /// Bytes of the whole file.
  package let byteCount: Int

  private var file: AtomicFile
  /// Bytes of each tensor without padding.
  private let sizes: [Int]
  private let alignment: Int
  private var current = 0
  private var written = 0

  /// Checks names, types and shapes, and that the disk has room, and writes the header.
  ///
  /// - Parameters:
  ///   - metadata: in the order of the file; `general.alignment` decides the grid of the tensors.
  ///   - tensors: in the order in which their bytes will come.
  /// - Throws: ``ModelFileError``.
  package init(
    path: String, metadata: [(key: String, value: GGUFStoredValue)], tensors: [TensorDescription]
  ) throws(ModelFileError) {
    let alignment = try GGUFWriter.alignment(metadata, path: path)
    let (offsets, sizes, dataByteCount) = try GGUFWriter.layout(tensors, alignment: alignment, path: path)
    var header = Array("GGUF".utf8)
    header.append(littleEndian: UInt32(3))
    header.append(littleEndian: UInt64(tensors.count))
    header.append(littleEndian: UInt64(metadata.count))
    var keys: Set<String> = []
    for (key, value) in metadata {
      guard keys.insert(key).inserted else { throw .duplicateKey(name: key, file: path) }
      try header.append(name: key, path: path)
      header.append(littleEndian: value.typeID)
      try value.withBytes { header.append(contentsOf: $0) }
    }
    for (tensor, offset) in zip(tensors, offsets) {
      try header.append(name: tensor.name, path: path)
      header.append(littleEndian: UInt32(tensor.shape.count))
      for dimension in tensor.shape.reversed() { header.append(littleEndian: UInt64(dimension)) }
      header.append(littleEndian: tensor.type.ggmlID ?? 0)  // `layout` has checked that there is one
      header.append(littleEndian: UInt64(offset))
    }
    header.append(contentsOf: repeatElement(0, count: GGUFWriter.padding(header.count, alignment)))
    let (byteCount, overflow) = header.count.addingReportingOverflow(dataByteCount)
    guard !overflow else { throw .cannotWrite(path: path, reason: "its size cannot be counted") }
    var file = try AtomicFile(path: path, expectedByteCount: byteCount)
    try file.write(header)
    self.byteCount = byteCount
    self.sizes = sizes
    self.alignment = alignment
    self.file = file
  }

  /// Appends bytes of the current tensor; the next tensor begins when it is complete.
  ///
  /// - Parameter bytes: at most as many as the current tensor still lacks.
  /// - Throws: ``ModelFileError/cannotWrite(path:reason:)``, e.g. for a full disk; nothing stays behind then.
  package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(ModelFileError) {
    if bytes.isEmpty { return }
    precondition(current < sizes.count, "bytes behind the last tensor")
    precondition(bytes.count <= sizes[current] - written, "more bytes than tensor \(current) takes")
    try file.write(bytes)
    written += bytes.count
    guard written == sizes[current] else { return }
    try file.write([UInt8](repeating: 0, count: GGUFWriter.padding(written, alignment)))
    current += 1
    written = 0
  }

  /// Flushes the file and moves it to its path, replacing what is there.
  ///
  /// - Throws: ``ModelFileError/cannotWrite(path:reason:)``.
  package consuming func finish() throws(ModelFileError) {
    precondition(current == sizes.count, "tensor \(current) of \(sizes.count) is not complete")
    try file.finish()
  }

  // MARK: Layout

  private static func alignment(
    _ metadata: [(key: String, value: GGUFStoredValue)], path: String
  ) throws(ModelFileError) -> Int {
    guard let value = metadata.first(where: { $0.key == "general.alignment" })?.value else { return 32 }
    guard let type = GGUFNumberType(rawValue: value.typeID), type.byteCount == value.byteCount,
      let alignment = value.bytes.withUnsafeBytes({ type.value(in: $0, at: 0) }).integerValue,
      (8...1 << 20).contains(alignment), alignment.nonzeroBitCount == 1
    else {
      throw .key(
        name: "general.alignment", found: "another value", expected: "a power of two from 8 to 1048576",
        file: path)
    }
    return alignment
  }

  private static func layout(
    _ tensors: [TensorDescription], alignment: Int, path: String
  ) throws(ModelFileError) -> (offsets: [Int], sizes: [Int], byteCount: Int) {
    var names: Set<String> = []
    var offsets: [Int] = []
    var sizes: [Int] = []
    var end = 0
    for tensor in tensors {
      guard names.insert(tensor.name).inserted else { throw .duplicateTensor(name: tensor.name, file: path) }
      guard tensor.type.ggmlID != nil else {
        throw .tensorType(
          name: tensor.name, found: tensor.type.name, supported: TensorType.ggmlNames, file: path)
      }
      guard (1...4).contains(tensor.shape.count), tensor.shape.allSatisfy({ $0 > 0 }) else {
        throw .tensorRange(
          name: tensor.name,
          problem: "shape \(tensor.shape) has no place in GGUF, which knows 1…4 dimensions",
          file: path)
      }
      guard let row = tensor.shape.last, row % tensor.type.blockElementCount == 0,
        let size = TensorTable.elementCount(tensor.shape).flatMap(tensor.type.byteCount(elementCount:)),
        size <= Int.max / 4, end <= Int.max / 4
      else {
        throw .tensorRange(
          name: tensor.name,
          problem: "rows of shape \(tensor.shape) are no whole number of \(tensor.type) blocks",
          file: path)
      }
      offsets.append(end)
      sizes.append(size)
      end += size + padding(size, alignment)
    }
    return (offsets, sizes, end)
  }

  private static func padding(_ count: Int, _ alignment: Int) -> Int {
    (alignment - count % alignment) % alignment
  }
}

extension [UInt8] {
  /// Appends the length and the bytes of a key or a tensor's name.
  fileprivate mutating func append(name: String, path: String) throws(ModelFileError) {
    guard (1...65535).contains(name.utf8.count), !name.utf8.contains(0) else {
      throw .badHeader(file: path, what: "a name of \(name.utf8.count) bytes cannot be written")
    }
    append(littleEndian: UInt64(name.utf8.count))
    append(contentsOf: name.utf8)
  }
}
