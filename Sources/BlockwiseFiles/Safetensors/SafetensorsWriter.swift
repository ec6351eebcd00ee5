/// Writes safetensors files.
///
/// ```
/// var writer = SafetensorsWriter()
/// try writer.append("logits", shape: [rows, vocabulary], floats: logits)
/// try writer.write(to: "logits.safetensors")
/// ```
///
/// The file appears whole or not at all: it is written beside its place under another name, flushed, and renamed.
public struct SafetensorsWriter: Sendable {
  private struct Tensor: Sendable {
    var name: String
    var type: TensorType
    var shape: [Int]
    var bytes: [UInt8]
    /// Where the bytes begin, after the header.
    var begin = 0
  }

  /// Written as `__metadata__` unless empty.
  public var metadata: [String: String]

  private var tensors: [Tensor] = []

  /// A file without tensors.
  public init(metadata: [String: String] = [:]) { self.metadata = metadata }

  /// Adds a tensor of f32 values, `shape` outermost first.
  ///
  /// - Throws: ``ModelFileError/tensorShape(name:expected:found:file:)`` if the count is not the product of `shape`.
  public mutating func append(_ name: String, shape: [Int], floats: [Float]) throws(ModelFileError) {
    guard TensorTable.elementCount(shape) == floats.count else {
      throw .tensorShape(name: name, expected: shape, found: [floats.count], file: "(new file)")
    }
    // Swift floats are little-endian wherever Blockwise runs, as the format wants them.
    try append(name, type: .f32, shape: shape, bytes: floats.withUnsafeBytes(Array.init))
  }

  /// Adds a tensor by its bytes.
  ///
  /// - Throws: ``ModelFileError`` if type and shape ask for another number of bytes, if safetensors lacks the type,
  ///   or if the name is taken.
  public mutating func append(
    _ name: String, type: TensorType, shape: [Int], bytes: [UInt8]
  ) throws(ModelFileError) {
    let file = "(new file)"
    guard TensorType.safetensors(type.name) != nil else {
      throw .tensorType(name: name, found: type.name, supported: TensorType.safetensorsNames, file: file)
    }
    guard TensorTable.elementCount(shape).flatMap(type.byteCount(elementCount:)) == bytes.count else {
      throw .tensorRange(
        name: name, problem: "\(bytes.count) bytes given for shape \(shape) of \(type)", file: file)
    }
    guard name != "__metadata__", !tensors.contains(where: { $0.name == name }) else {
      throw .duplicateTensor(name: name, file: file)
    }
    tensors.append(Tensor(name: name, type: type, shape: shape, bytes: bytes))
  }

  /// Writes the file, replacing what is at `path`.
  ///
  /// - Throws: ``ModelFileError/cannotWrite(path:reason:)``, e.g. for a full disk; what was at `path` is then
  ///   unchanged.
  public func write(to path: String) throws(ModelFileError) {
    // Wide elements first, so that every tensor starts at a multiple of its element size; the sort is stable.
    let order = tensors.indices.sorted { tensors[$0].type.blockByteCount > tensors[$1].type.blockByteCount }
    var placed = tensors
    var end = 0
    for index in order {
      placed[index].begin = end
      end += placed[index].bytes.count
    }
    var file = try AtomicFile(path: path)
    try file.write(header(placed))
    for index in order { try file.write(placed[index].bytes) }
    try file.finish()
  }

  /// The length and the JSON object, padded with spaces so that the tensors start at a multiple of 8.
  private func header(_ tensors: [Tensor]) -> [UInt8] {
    var object = JSONObject()
    if !metadata.isEmpty {
      var members = JSONObject()
      for (key, value) in metadata.sorted(by: { $0.key < $1.key }) { members[key] = .string(value) }
      object["__metadata__"] = .object(members)
    }
    for tensor in tensors {
      object[tensor.name] = [
        "dtype": .string(tensor.type.name),
        "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
        "data_offsets": [
          .integer(Int64(tensor.begin)), .integer(Int64(tensor.begin + tensor.bytes.count)),
        ],
      ]
    }
    var text = JSONValue.object(object).bytes()
    text.append(contentsOf: repeatElement(0x20, count: (8 - text.count % 8) % 8))
    return withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text
  }
}
