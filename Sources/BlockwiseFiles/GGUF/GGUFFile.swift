/// A mapped GGUF file: metadata and tensors.
///
/// Versions 2 and 3, little-endian. All counts, lengths, types, ranges and alignments are checked when the file is
/// opened; metadata values are decoded when they are asked for. A model that is split over several files
/// (`NAME-00001-of-00003.gguf`) is opened by any of them; its metadata are those of the first.
public final class GGUFFile: WeightStore {
  /// The version of the layout.
  public let version: Int
  /// The grid, in bytes, that tensors start on.
  public let alignment: Int
  /// The metadata keys, in the order of the file.
  public let keys: [String]
  /// What the metadata say about generating text.
  public let generationConfiguration: GenerationConfiguration
  /// The path it was opened by.
  public let path: String
  /// The names of all tensors, in the order of the file or files.
  public let names: [String]

  /// One file of the set; most models have one.
  private struct Shard: Sendable {
    var mapping: MappedFile
    var table: TensorTable
  }

  private let shards: [Shard]
  /// The place in `shards` of every tensor.
  private let homes: [String: Int]
  private let metadata: [String: GGUFValue]
  private let places: [String: (typeID: UInt32, range: Range<Int>)]

  /// Opens a file, or all files of a split model, and checks the headers.
  ///
  /// - Throws: ``ModelFileError``, which names the file and the key or tensor.
  public init(path: String) throws(ModelFileError) {
    let given = try GGUFFile.parse(path)
    var first = given
    var shards: [Shard] = []
    if let split = given.split {
      let paths = try GGUFFile.paths(of: split, path: path)
      for (number, shard) in paths.enumerated() {
        let parser = number == split.number ? given : try GGUFFile.parse(shard: shard, neededBy: path)
        guard let own = parser.split, own.number == number, own.count == split.count else {
          let found = parser.split.map { "\($0.number) of \($0.count)" } ?? "nothing"
          throw .key(
            name: "split.no and split.count", found: found, expected: "\(number) of \(split.count)",
            file: shard)
        }
        shards.append(Shard(mapping: parser.mapping, table: parser.table))
        if number == 0 { first = parser }
      }
    } else {
      shards = [Shard(mapping: given.mapping, table: given.table)]
    }
    var names: [String] = []
    var homes: [String: Int] = [:]
    for (place, shard) in shards.enumerated() {
      for entry in shard.table.entries {
        guard homes.updateValue(place, forKey: entry.name) == nil else {
          throw .duplicateTensor(name: entry.name, file: shard.mapping.path)
        }
        names.append(entry.name)
      }
    }
    if let expected = first.split?.tensorCount, expected != names.count {
      throw .key(
        name: "split.tensors.count", found: "\(expected)",
        expected: "the \(names.count) tensors that are there",
        file: first.mapping.path)
    }
    self.path = path
    self.shards = shards
    self.names = names
    self.homes = homes
    version = first.version
    alignment = first.alignment
    keys = first.keys
    metadata = first.metadata
    places = first.places
    generationConfiguration = try GenerationConfiguration(gguf: first.metadata, file: path)
  }

  private static func parse(_ path: String) throws(ModelFileError) -> GGUFParser {
    var parser = GGUFParser(mapping: try MappedFile(path: path))
    try parser.parse()
    return parser
  }

  private static func parse(shard: String, neededBy path: String) throws(ModelFileError) -> GGUFParser {
    guard FileKind.exists(shard) else { throw .shardMissing(file: shard, neededBy: path) }
    return try parse(shard)
  }

  /// The paths of all files of a set, of which one is known.
  private static func paths(of split: GGUFSplit, path: String) throws(ModelFileError) -> [String] {
    let suffix = GGUFSplit.suffix(split.number, of: split.count)
    guard path.hasSuffix(suffix) else {
      throw .key(
        name: "split.no and split.count", found: "\(split.number) of \(split.count)",
        expected: "a file whose name ends with \(suffix), as the others are found by their names", file: path)
    }
    let prefix = path.dropLast(suffix.count)
    return (0..<split.count).map { prefix + GGUFSplit.suffix($0, of: split.count) }
  }

  /// The metadata value of a key, or nil if there is none.
  public subscript(key: String) -> GGUFValue? { metadata[key] }

  /// The value of a key as it is stored, for writing it to another file; nil if there is none.
  package func storedValue(_ key: String) -> GGUFStoredValue? {
    places[key].map { GGUFStoredValue(typeID: $0.typeID, mapping: shards[0].mapping, range: $0.range) }
  }

  /// The files that the model consists of, in order.
  public var files: [String] { shards.map(\.mapping.path) }

  /// Bytes of all tensors.
  public var byteCount: Int {
    shards.reduce(0) { $0 + $1.table.entries.reduce(0) { $0 + $1.range.count } }
  }

  /// Whether there is a tensor of that name.
  public func contains(_ name: String) -> Bool { homes[name] != nil }

  /// The tensor of that name.
  public func tensor(named name: String) throws(ModelFileError) -> TensorView {
    guard let home = homes[name] else { throw .tensorMissing(name: name, file: path) }
    return try shards[home].table.view(named: name, in: shards[home].mapping)
  }
}
