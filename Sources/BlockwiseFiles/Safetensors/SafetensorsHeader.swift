/// Reads and checks the JSON header of a safetensors file.
struct SafetensorsHeader {
  let file: String
  /// Where the tensors' bytes begin, from the start of the file.
  let dataStart: Int
  let fileByteCount: Int
  private(set) var table = TensorTable()
  private(set) var metadata: [String: String] = [:]

  init(file: String, dataStart: Int, fileByteCount: Int) {
    self.file = file
    self.dataStart = dataStart
    self.fileByteCount = fileByteCount
  }

  mutating func parse(_ text: UnsafeRawBufferPointer) throws(ModelFileError) {
    do {
      var reader = JSONReader(text)
      try reader.beginObject()
      var hasMetadata = false
      while let key = try reader.nextKey() {
        if reader.equals(key, "__metadata__") {
          guard !hasMetadata else { throw ModelFileError.duplicateKey(name: "__metadata__", file: file) }
          hasMetadata = true
          try readMetadata(&reader)
        } else {
          try readTensor(&reader, name: reader.string(key))
        }
      }
      try reader.finish()
    } catch {
      throw (error as? ModelFileError) ?? SafetensorsHeader.wrapped(error, file: file)
    }
    try checkCoverage()
  }

  private static func wrapped(_ error: any Error, file: String) -> ModelFileError {
    guard let error = error as? JSONError else { return .badHeader(file: file, what: "\(error)") }
    return .json(file: file + " (header)", error: error)
  }

  private mutating func readMetadata(_ reader: inout JSONReader) throws {
    if try reader.peekKind() == .null { return try reader.readNull() }
    try reader.beginObject()
    while let key = try reader.nextKey() {
      let value = try reader.readString()
      metadata[reader.string(key)] = reader.string(value)
    }
  }

  private mutating func readTensor(_ reader: inout JSONReader, name: String) throws {
    var typeName: String?
    var shape: [Int]?
    var offsets: [Int]?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      let isRepeated: Bool
      if reader.equals(key, "dtype") {
        isRepeated = typeName != nil
        let value = try reader.readString()
        typeName = reader.string(value)
      } else if reader.equals(key, "shape") {
        isRepeated = shape != nil
        shape = try readSizes(&reader, limit: 64)
      } else if reader.equals(key, "data_offsets") {
        isRepeated = offsets != nil
        offsets = try readSizes(&reader, limit: 2)
      } else {
        isRepeated = false
        try reader.skipValue()
      }
      if isRepeated { throw ModelFileError.duplicateKey(name: "\(name).\(reader.string(key))", file: file) }
    }
    guard let typeName else { throw missing("dtype", of: name) }
    guard let shape else { throw missing("shape", of: name) }
    guard let offsets, offsets.count == 2 else { throw missing("data_offsets with two numbers", of: name) }
    guard let type = TensorType.safetensors(typeName) else {
      throw ModelFileError.tensorType(
        name: name, found: typeName, supported: TensorType.safetensorsNames, file: file)
    }
    try append(name: name, type: type, shape: shape, begin: offsets[0], end: offsets[1])
  }

  private mutating func append(
    name: String, type: TensorType, shape: [Int], begin: Int, end: Int
  ) throws(ModelFileError) {
    guard begin <= end else {
      throw .tensorRange(
        name: name, problem: "its bytes end (\(end)) before they begin (\(begin))", file: file)
    }
    guard let byteCount = TensorTable.elementCount(shape).flatMap(type.byteCount(elementCount:)) else {
      throw .tensorRange(name: name, problem: "shape \(shape) of \(type) has no size in bytes", file: file)
    }
    guard byteCount == end - begin else {
      throw .tensorRange(
        name: name,
        problem: "shape \(shape) of \(type) takes \(byteCount) bytes, but \(end - begin) are given",
        file: file)
    }
    let (last, overflow) = dataStart.addingReportingOverflow(end)
    guard !overflow, last <= fileByteCount else {
      throw .truncated(
        file: file, what: "tensor \(name)", needed: overflow ? Int.max : last, found: fileByteCount)
    }
    try table.append(
      TensorTable.Entry(name: name, type: type, shape: shape, range: dataStart + begin..<last), file: file)
  }

  /// The format allows neither holes nor bytes that belong to nobody: both are signs of damage.
  private func checkCoverage() throws(ModelFileError) {
    var end = dataStart
    for entry in try table.sortedByPlace(file: file) {
      guard entry.range.lowerBound == end else {
        throw .tensorRange(
          name: entry.name,
          problem: "\(entry.range.lowerBound - end) bytes before it belong to no tensor", file: file)
      }
      end = entry.range.upperBound
    }
    guard end == fileByteCount else {
      throw .badHeader(file: file, what: "\(fileByteCount - end) bytes at the end belong to no tensor")
    }
  }

  private func readSizes(_ reader: inout JSONReader, limit: Int) throws -> [Int] {
    var sizes: [Int] = []
    try reader.beginArray()
    while try reader.nextElement() {
      let size = try reader.readInt()
      guard size >= 0, sizes.count < limit else {
        throw reader.fault("at most \(limit) sizes, none negative")
      }
      sizes.append(size)
    }
    return sizes
  }

  private func missing(_ key: String, of name: String) -> ModelFileError {
    .badHeader(file: file, what: "tensor \(name) has no \(key)")
  }
}
