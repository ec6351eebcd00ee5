/// Tensors by name, wherever they lie: one safetensors file, a set of shards, a GGUF file.
public protocol WeightStore: AnyObject, Sendable {
  /// The file or folder, for messages.
  var path: String { get }
  /// The names of all tensors, in the order of the file.
  var names: [String] { get }
  /// Bytes of all tensors together.
  var byteCount: Int { get }
  /// Whether there is a tensor of that name.
  func contains(_ name: String) -> Bool
  /// The tensor of that name.
  ///
  /// - Throws: ``ModelFileError/tensorMissing(name:file:)``.
  func tensor(named name: String) throws(ModelFileError) -> TensorView
}
