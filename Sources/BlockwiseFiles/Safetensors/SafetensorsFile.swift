/// One mapped safetensors file.
///
/// Layout: a 64-bit little-endian length, a JSON object of that length, and the tensors' bytes, which the object
/// describes without holes or overlaps. All of it is checked when the file is opened: sizes against shapes with
/// overflow, ranges against the file, names for duplicates.
public final class SafetensorsFile: WeightStore {
  /// Largest accepted header, as in the reference implementation.
  static let headerByteLimit = 100_000_000

  /// The entries of `__metadata__`.
  public let metadata: [String: String]

  private let mapping: MappedFile
  private let table: TensorTable

  /// Opens a file and checks its header.
  ///
  /// - Throws: ``ModelFileError``, which names the file and the tensor.
  public init(path: String) throws(ModelFileError) {
    let mapping = try MappedFile(path: path)
    let bytes = mapping.bytes
    guard bytes.count >= 8 else {
      throw .truncated(file: path, what: "the length of the header", needed: 8, found: bytes.count)
    }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(SafetensorsFile.headerByteLimit) else {
      throw .headerTooLarge(file: path, found: length, limit: SafetensorsFile.headerByteLimit)
    }
    let dataStart = 8 + Int(length)
    guard dataStart <= bytes.count else {
      throw .truncated(file: path, what: "the header", needed: dataStart, found: bytes.count)
    }
    guard length > 0, bytes[8] == UInt8(ascii: "{") else {
      throw .badHeader(file: path, what: "it is no JSON object")
    }
    let header = UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart])
    var parser = SafetensorsHeader(file: path, dataStart: dataStart, fileByteCount: bytes.count)
    try parser.parse(header)
    self.mapping = mapping
    table = parser.table
    metadata = parser.metadata
  }

  /// The path it was opened by.
  public var path: String { mapping.path }

  /// Names of all tensors, in the order of the header.
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
