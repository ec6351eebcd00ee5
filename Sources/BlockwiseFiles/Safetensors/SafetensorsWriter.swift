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
    let ordered = tensors.sorted { $0.type.blockByteCount > $1.type.blockByteCount }
    var stream = try SafetensorsStream(
      path: path, tensors: ordered.map { .init(name: $0.name, type: $0.type, shape: $0.shape) },
      metadata: metadata)
    for tensor in ordered {
      let result = tensor.bytes.withUnsafeBytes { bytes in
        Result { () throws(ModelFileError) in try stream.write(bytes) }
      }
      try result.get()
    }
    try stream.finish()
  }
}
