/// A set of safetensors files with an index, `model.safetensors.index.json`, that says which holds which tensor.
public final class ShardedSafetensors: WeightStore {
  /// The path of the index.
  public let path: String
  /// The names of all tensors in the index, in its order.
  public let names: [String]
  /// Bytes of all tensors in the index.
  public let byteCount: Int

  private let homes: [String: SafetensorsFile]

  /// Opens the index and all the shards it names, which lie beside it.
  ///
  /// - Throws: ``ModelFileError``: a shard is missing or damaged, or lacks a tensor it should hold.
  public init(indexPath path: String) throws(ModelFileError) {
    let mapping = try MappedFile(path: path)
    let map: JSONObject = try ModelFileError.naming(path) {
      try JSONValue(parsing: mapping.bytes).object("weight_map")
    }
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var files: [String: SafetensorsFile] = [:]
    var homes: [String: SafetensorsFile] = [:]
    var byteCount = 0
    for (name, value) in map {
      guard let shard = value.stringValue, ShardedSafetensors.isPlainFileName(shard) else {
        throw .key(
          name: "weight_map.\(name)", found: value.summary, expected: "the name of a file beside the index",
          file: path)
      }
      if files[shard] == nil {
        do {
          files[shard] = try SafetensorsFile(path: folder + shard)
        } catch ModelFileError.cannotOpen(let shardPath, _) where !FileKind.exists(shardPath) {
          throw .shardMissing(file: shardPath, neededBy: path)
        }
      }
      guard let file = files[shard], file.contains(name) else {
        throw .tensorMissing(name: name, file: folder + shard)
      }
      guard homes.updateValue(file, forKey: name) == nil else {
        throw .duplicateTensor(name: name, file: path)
      }
      byteCount += try file.tensor(named: name).byteCount
    }
    self.path = path
    self.homes = homes
    self.byteCount = byteCount
    names = map.keys
  }

  /// Whether the index has a tensor of that name.
  public func contains(_ name: String) -> Bool { homes[name] != nil }

  /// The tensor of that name, from the shard that holds it.
  public func tensor(named name: String) throws(ModelFileError) -> TensorView {
    guard let file = homes[name] else { throw .tensorMissing(name: name, file: path) }
    return try file.tensor(named: name)
  }

  /// An index must not lead out of its folder.
  private static func isPlainFileName(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".." && !name.utf8.contains { $0 == 0 || $0 == UInt8(ascii: "/") }
  }
}
