/// Reads and checks everything before the tensors' bytes of a GGUF file.
struct GGUFParser {
  let mapping: MappedFile
  private var cursor: ByteCursor
  private(set) var version = 0
  private(set) var alignment = 32
  private(set) var keys: [String] = []
  private(set) var metadata: [String: GGUFValue] = [:]
  /// Type number and place of every value, for writing it anew as it is.
  private(set) var places: [String: (typeID: UInt32, range: Range<Int>)] = [:]
  /// What the file says about being one of several.
  private(set) var split: GGUFSplit?
  private(set) var table = TensorTable()

  /// Deepest nesting of arrays; files in use have one level.
  private static let nestingLimit = 8

  init(mapping: MappedFile) {
    self.mapping = mapping
    cursor = ByteCursor(mapping.bytes, file: mapping.path)
  }

  private var file: String { mapping.path }

  mutating func parse() throws(ModelFileError) {
    try checkVersion()
    // A tensor's entry takes at least: length of its name, number of dimensions, one dimension, type, offset.
    let tensorCount = try cursor.readCount(minimumByteCount: 8 + 4 + 8 + 4 + 8, "tensors")
    // A key takes at least its length, the number of its type, and one byte.
    let keyCount = try cursor.readCount(minimumByteCount: 8 + 4 + 1, "metadata keys")
    keys.reserveCapacity(keyCount)
    for _ in 0..<keyCount { try readKey() }
    split = try GGUFSplit(metadata, file: file)
    alignment = try readAlignment()

    var tensors: [Tensor] = []
    tensors.reserveCapacity(tensorCount)
    for _ in 0..<tensorCount { tensors.append(try readTensor()) }
    let (padded, overflow) = cursor.offset.addingReportingOverflow(alignment - 1)
    guard !overflow else { throw .badHeader(file: file, what: "its length overflows") }
    let dataStart = padded / alignment * alignment
    for tensor in tensors { try append(tensor, dataStart: dataStart) }
    _ = try table.sortedByPlace(file: file)
  }

  // MARK: Head

  private mutating func checkVersion() throws(ModelFileError) {
    let magic = try cursor.take(4, "the magic number")
    guard mapping.bytes[magic].elementsEqual("GGUF".utf8) else {
      let found = mapping.bytes[magic].map { String($0, radix: 16) }.joined(separator: " ")
      throw .badMagic(file: file, found: "bytes \(found)", expected: "GGUF")
    }
    let number = try cursor.read(UInt32.self, "the version")
    guard number == 2 || number == 3 else {
      let isSwapped = (1...3).contains(number.byteSwapped)
      throw .unsupportedVersion(
        file: file, found: isSwapped ? "big-endian GGUF" : "GGUF version \(number)",
        supported: "little-endian GGUF versions 2 and 3")
    }
    version = Int(number)
  }

  // MARK: Metadata

  private mutating func readKey() throws(ModelFileError) {
    let key = try cursor.readName("a metadata key")
    let typeID = try cursor.read(UInt32.self, "the type of key \(key)")
    let start = cursor.offset
    let value = try readValue(typeID, key: key, depth: 0)
    guard metadata.updateValue(value, forKey: key) == nil else {
      throw .duplicateKey(name: key, file: file)
    }
    places[key] = (typeID, start..<cursor.offset)
    keys.append(key)
  }

  private mutating func readValue(
    _ typeID: UInt32, key: String, depth: Int
  ) throws(ModelFileError) -> GGUFValue {
    if typeID == GGUFNumberType.stringID {
      return .string(GGUFString(mapping: mapping, range: try cursor.readString("the value of key \(key)")))
    }
    if typeID == GGUFNumberType.arrayID { return .array(try readArray(key: key, depth: depth + 1)) }
    let type = try numberType(typeID, key: key)
    let range = try cursor.take(type.byteCount, "the value of key \(key)")
    try checkBools(type, range, key: key)
    return type.value(in: mapping.bytes, at: range.lowerBound)
  }

  private mutating func readArray(key: String, depth: Int) throws(ModelFileError) -> GGUFArray {
    guard depth <= GGUFParser.nestingLimit else {
      throw .badHeader(
        file: file, what: "key \(key): arrays nested more than \(GGUFParser.nestingLimit) deep")
    }
    let typeID = try cursor.read(UInt32.self, "the element type of key \(key)")
    let storage: GGUFArray.Storage
    switch typeID {
    case GGUFNumberType.stringID:
      let count = try cursor.readCount(minimumByteCount: 8, "strings of key \(key)")
      var ranges: [Range<Int>] = []
      ranges.reserveCapacity(count)
      for _ in 0..<count { ranges.append(try cursor.readString("a string of key \(key)")) }
      storage = .strings(ranges)
    case GGUFNumberType.arrayID:
      let count = try cursor.readCount(minimumByteCount: 4 + 8, "arrays of key \(key)")
      var arrays: [GGUFArray] = []
      arrays.reserveCapacity(count)
      for _ in 0..<count { arrays.append(try readArray(key: key, depth: depth + 1)) }
      storage = .arrays(arrays)
    default:
      let type = try numberType(typeID, key: key)
      let count = try cursor.readCount(minimumByteCount: type.byteCount, "elements of key \(key)")
      // The product fits, because the count was checked against the bytes that are left.
      let range = try cursor.take(count * type.byteCount, "the elements of key \(key)")
      try checkBools(type, range, key: key)
      storage = .numbers(type, range)
    }
    return GGUFArray(mapping: mapping, storage: storage)
  }

  private func numberType(_ id: UInt32, key: String) throws(ModelFileError) -> GGUFNumberType {
    guard let type = GGUFNumberType(rawValue: id) else {
      throw .badHeader(file: file, what: "key \(key): unknown type \(id) of value, known are 0…12")
    }
    return type
  }

  private func checkBools(
    _ type: GGUFNumberType, _ range: Range<Int>, key: String
  ) throws(ModelFileError) {
    guard type == .bool, let bad = mapping.bytes[range].first(where: { $0 > 1 }) else { return }
    throw .key(name: key, found: "byte \(bad)", expected: "0 or 1 for a boolean", file: file)
  }

  private func readAlignment() throws(ModelFileError) -> Int {
    guard let value = metadata["general.alignment"] else { return 32 }
    guard let alignment = value.integerValue, (8...1 << 20).contains(alignment),
      alignment.nonzeroBitCount == 1
    else {
      throw .key(
        name: "general.alignment", found: value.summary, expected: "a power of two from 8 to 1048576",
        file: file)
    }
    return alignment
  }

  // MARK: Tensors

  private struct Tensor {
    var name: String
    var type: TensorType
    var shape: [Int]
    var byteCount: Int
    var offset: UInt64
  }

  private mutating func readTensor() throws(ModelFileError) -> Tensor {
    let name = try cursor.readName("the name of a tensor")
    let dimensionCount = try cursor.read(UInt32.self, "the number of dimensions of tensor \(name)")
    guard (1...4).contains(dimensionCount) else {
      throw .badHeader(file: file, what: "tensor \(name) has \(dimensionCount) dimensions, possible are 1…4")
    }
    var shape: [Int] = []
    for _ in 0..<dimensionCount {
      let size = try cursor.read(UInt64.self, "the dimensions of tensor \(name)")
      guard let size = Int(exactly: size), size > 0 else {
        throw .badHeader(file: file, what: "tensor \(name) has a dimension of \(size)")
      }
      shape.append(size)
    }
    let typeID = try cursor.read(UInt32.self, "the type of tensor \(name)")
    guard let type = TensorType.ggml(typeID) else {
      throw .tensorType(
        name: name, found: TensorType.ggmlDescription(typeID), supported: TensorType.ggmlNames, file: file)
    }
    let offset = try cursor.read(UInt64.self, "the place of tensor \(name)")
    // Files list the innermost dimension, along which the blocks run, first.
    guard shape[0] % type.blockElementCount == 0,
      let byteCount = TensorTable.elementCount(shape).flatMap(type.byteCount(elementCount:))
    else {
      throw .tensorRange(
        name: name, problem: "rows of shape \(Array(shape.reversed())) are no whole number of \(type) blocks",
        file: file)
    }
    return Tensor(name: name, type: type, shape: shape.reversed(), byteCount: byteCount, offset: offset)
  }

  private mutating func append(_ tensor: Tensor, dataStart: Int) throws(ModelFileError) {
    guard tensor.offset % UInt64(alignment) == 0 else {
      throw .tensorRange(
        name: tensor.name, problem: "its place \(tensor.offset) is no multiple of the alignment \(alignment)",
        file: file)
    }
    let fileByteCount = mapping.bytes.count
    let (start, startOverflow) = dataStart.addingReportingOverflow(Int(clamping: tensor.offset))
    let (end, endOverflow) = start.addingReportingOverflow(tensor.byteCount)
    guard !startOverflow, !endOverflow, end <= fileByteCount else {
      throw .truncated(
        file: file, what: "tensor \(tensor.name)", needed: startOverflow || endOverflow ? Int.max : end,
        found: fileByteCount)
    }
    try table.append(
      TensorTable.Entry(name: tensor.name, type: tensor.type, shape: tensor.shape, range: start..<end),
      file: file)
  }
}
