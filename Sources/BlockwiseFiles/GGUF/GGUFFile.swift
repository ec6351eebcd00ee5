/// A mapped GGUF file: metadata and tensors.
///
/// Versions 2 and 3, little-endian. All counts, lengths, types, ranges and alignments are checked when the file is
/// opened; metadata values are decoded when they are asked for.
public final class GGUFFile: WeightStore {
  /// The version of the layout.
  public let version: Int
  /// The grid, in bytes, that tensors start on.
  public let alignment: Int
  /// The metadata keys, in the order of the file.
  public let keys: [String]
  /// What the metadata say about generating text.
  public let generationConfiguration: GenerationConfiguration

  private let mapping: MappedFile
  private let metadata: [String: GGUFValue]
  private let table: TensorTable

  /// Opens a file and checks its header.
  ///
  /// - Throws: ``ModelFileError``, which names the file and the key or tensor.
  public init(path: String) throws(ModelFileError) {
    let mapping = try MappedFile(path: path)
    var parser = GGUFParser(mapping: mapping)
    try parser.parse()
    self.mapping = mapping
    version = parser.version
    alignment = parser.alignment
    keys = parser.keys
    metadata = parser.metadata
    table = parser.table
    generationConfiguration = try GenerationConfiguration(gguf: parser.metadata, file: path)
  }

  /// The metadata value of a key, or nil if there is none.
  public subscript(key: String) -> GGUFValue? { metadata[key] }

  /// The path it was opened by.
  public var path: String { mapping.path }

  /// Names of all tensors, in the order of the file.
  public var names: [String] { table.entries.map(\.name) }

  /// Bytes of all tensors.
  public var byteCount: Int { table.entries.reduce(0) { $0 + $1.range.count } }

  /// Whether there is a tensor of that name.
  public func contains(_ name: String) -> Bool { table.contains(name) }

  /// The tensor of that name.
  public func tensor(named name: String) throws(ModelFileError) -> TensorView {
    try table.view(named: name, in: mapping)
  }
}
