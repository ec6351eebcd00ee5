/// Writes a safetensors file tensor by tensor: never more of it is in memory than a caller hands over at once.
///
/// The file appears whole or not at all.
package struct SafetensorsStream: ~Copyable {
  /// Bytes of the whole file.
  package let byteCount: Int

  private var file: AtomicFile
  private var remaining: Int

  /// Checks names, types and shapes, and that the disk has room, and writes the header.
  ///
  /// - Parameter tensors: in the order in which their bytes will come.
  /// - Throws: ``ModelFileError``.
  package init(
    path: String, tensors: [TensorDescription], metadata: [String: String] = [:]
  ) throws(ModelFileError) {
    var object = JSONObject()
    var members = JSONObject()
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) { members[key] = .string(value) }
    if !members.isEmpty { object["__metadata__"] = .object(members) }
    var end = 0
    for tensor in tensors {
      guard TensorType.safetensors(tensor.type.name) != nil else {
        throw .tensorType(
          name: tensor.name, found: tensor.type.name, supported: TensorType.safetensorsNames, file: path)
      }
      guard let size = TensorTable.elementCount(tensor.shape).flatMap(tensor.type.byteCount(elementCount:)),
        size <= Int.max / 4, end <= Int.max / 4
      else {
        throw .tensorRange(
          name: tensor.name, problem: "shape \(tensor.shape) of \(tensor.type) has no size in bytes",
          file: path)
      }
      guard tensor.name != "__metadata__", object[tensor.name] == nil else {
        throw .duplicateTensor(name: tensor.name, file: path)
      }
      object[tensor.name] = [
        "dtype": .string(tensor.type.name), "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
        "data_offsets": [.integer(Int64(end)), .integer(Int64(end + size))],
      ]
      end += size
    }
    var text = JSONValue.object(object).bytes()
    text.append(contentsOf: repeatElement(0x20, count: (8 - text.count % 8) % 8))
    var file = try AtomicFile(path: path, expectedByteCount: 8 + text.count + end)
    try file.write(withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text)
    byteCount = 8 + text.count + end
    remaining = end
    self.file = file
  }

  /// Appends bytes of the tensors, one after the other without padding.
  ///
  /// - Throws: ``ModelFileError/cannotWrite(path:reason:)``, e.g. for a full disk; nothing stays behind then.
  package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(ModelFileError) {
    precondition(bytes.count <= remaining, "more bytes than the tensors take")
    try file.write(bytes)
    remaining -= bytes.count
  }

  /// Flushes the file and moves it to its path, replacing what is there.
  ///
  /// - Throws: ``ModelFileError/cannotWrite(path:reason:)``.
  package consuming func finish() throws(ModelFileError) {
    precondition(remaining == 0, "\(remaining) bytes of the tensors are missing")
    try file.finish()
  }
}
