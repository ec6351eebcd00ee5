/// Reads little-endian numbers from a file, one after the other, never beyond its end.
struct ByteCursor {
  let bytes: UnsafeRawBufferPointer
  let file: String
  private(set) var offset = 0

  init(_ bytes: UnsafeRawBufferPointer, file: String) {
    self.bytes = bytes
    self.file = file
  }

  var remaining: Int { bytes.count - offset }

  /// The next `count` bytes as a range of the file.
  mutating func take(_ count: Int, _ what: @autoclosure () -> String) throws(ModelFileError) -> Range<Int> {
    guard count >= 0, count <= remaining else {
      let (needed, overflow) = offset.addingReportingOverflow(count)
      throw .truncated(file: file, what: what(), needed: overflow ? Int.max : needed, found: bytes.count)
    }
    defer { offset += count }
    return offset..<offset + count
  }

  /// The next number.
  mutating func read<T: FixedWidthInteger>(
    _: T.Type, _ what: @autoclosure () -> String
  ) throws(ModelFileError) -> T {
    let range = try take(MemoryLayout<T>.size, what())
    return T(littleEndian: bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: T.self))
  }

  /// A number of things that take at least `minimumByteCount` bytes each: refused if the file cannot hold them, so
  /// that nothing is ever allocated for things that are not there.
  mutating func readCount(
    minimumByteCount: Int, _ what: @autoclosure () -> String
  ) throws(ModelFileError) -> Int {
    let count = try read(UInt64.self, "the number of \(what())")
    guard let count = Int(exactly: count), count <= remaining / minimumByteCount else {
      throw .badHeader(
        file: file, what: "\(count) \(what()) at byte \(offset - 8), but only \(remaining) bytes follow")
    }
    return count
  }

  /// A string: a 64-bit length and as many bytes.
  mutating func readString(_ what: @autoclosure () -> String) throws(ModelFileError) -> Range<Int> {
    let length = try read(UInt64.self, "the length of \(what())")
    guard let length = Int(exactly: length), length <= remaining else {
      throw .badHeader(
        file: file, what: "\(what()) of \(length) bytes at byte \(offset), but only \(remaining) bytes follow"
      )
    }
    return try take(length, what())
  }

  /// A key or a name: UTF-8 without NUL, of at most 65535 bytes.
  mutating func readName(_ what: @autoclosure () -> String) throws(ModelFileError) -> String {
    let range = try readString(what())
    let name = bytes[range].bindMemory(to: UInt8.self)
    guard range.count <= 65535, !name.contains(0), let text = String(validating: name, as: UTF8.self) else {
      throw .badHeader(file: file, what: "\(what()) at byte \(range.lowerBound) is not plain text")
    }
    return text
  }
}
