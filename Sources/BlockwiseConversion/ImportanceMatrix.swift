internal import BlockwiseFiles
internal import Foundation

/// How much each column of each matrix matters: the mean square of what it is multiplied with, measured on text.
///
/// Read from GGUF files (`NAME.in_sum2` and `NAME.counts`) and from the older binary layout.
struct ImportanceMatrix: Sendable {
  let path: String
  /// Mean squares of the columns, per matrix of a tensor.
  private var entries: [String: [[Float]]] = [:]

  /// Reads a file of either kind.
  init(path: String) throws {
    self.path = path
    let mapping = try MappedFile(path: path)
    let isGGUF = withExtendedLifetime(mapping) { mapping.bytes.prefix(4).elementsEqual("GGUF".utf8) }
    if isGGUF {
      try readGGUF(try GGUFFile(path: path))
    } else {
      try withExtendedLifetime(mapping) { try readBinary(mapping.bytes) }
    }
    guard !entries.isEmpty else { throw fault("it names no tensor") }
  }

  private func fault(_ reason: String) -> ConversionError { .importance(file: path, reason: reason) }

  /// The importance of the columns of a tensor, one list per matrix; nil if nothing is known.
  func columns(of name: String, columnCount: Int, matrixCount: Int) throws -> [[Float]]? {
    guard var lists = entries[name] else { return nil }
    // The binary layout does not say how many experts its numbers belong to.
    if lists.count == 1, matrixCount > 1, lists[0].count == matrixCount * columnCount {
      let all = lists[0]
      lists = (0..<matrixCount).map { Array(all[$0 * columnCount..<($0 + 1) * columnCount]) }
    }
    guard lists.count == matrixCount, lists.allSatisfy({ $0.count == columnCount }) else {
      throw fault(
        "tensor \(name) has \(matrixCount) matrices of \(columnCount) columns, the file has \(lists.count) "
          + "of \(lists.first?.count ?? 0); does it belong to another model?")
    }
    return lists
  }

  private mutating func readGGUF(_ file: GGUFFile) throws {
    let suffix = ".in_sum2"
    for name in file.names where name.hasSuffix(suffix) {
      let base = String(name.dropLast(suffix.count))
      let sums = try file.tensor(named: name)
      let counts = try file.tensor(named: base + ".counts")
      let matrixCount = counts.elementCount
      guard sums.type == .f32, counts.type == .f32, matrixCount > 0, sums.elementCount % matrixCount == 0
      else { throw fault("the numbers of \(base) have an unknown layout") }
      let (values, divisors) = (Self.floats(sums.bytes), Self.floats(counts.bytes))
      let columns = values.count / matrixCount
      try insert(
        base,
        (0..<matrixCount).map { matrix in
          // An expert that was never used says nothing: all its columns count alike.
          let count = divisors[matrix]
          return values[matrix * columns..<(matrix + 1) * columns].map { count > 0 ? $0 / count : 1 }
        })
    }
  }

  /// `entries`, then for each: length and bytes of the name, number of calls, number of values, values.
  private mutating func readBinary(_ bytes: UnsafeRawBufferPointer) throws {
    var offset = 0
    func take(_ count: Int) throws -> UnsafeRawBufferPointer {
      guard count >= 0, count <= bytes.count - offset else { throw fault("it ends at byte \(bytes.count)") }
      defer { offset += count }
      return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }
    func number() throws -> Int { Int(Int32(littleEndian: try take(4).loadUnaligned(as: Int32.self))) }
    let count = try number()
    guard (1...1 << 20).contains(count) else {
      throw fault("it is neither a GGUF file nor a list of tensors")
    }
    for _ in 0..<count {
      let length = try number()
      guard (1...4096).contains(length),
        let name = String(validating: try take(length).bindMemory(to: UInt8.self), as: UTF8.self)
      else { throw fault("a name at byte \(offset) is not plain text") }
      let calls = try number()
      let valueCount = try number()
      guard valueCount > 0, valueCount <= (bytes.count - offset) / 4 else {
        throw fault("\(name) has \(valueCount) numbers")
      }
      let values = Self.floats(try take(4 * valueCount))
      try insert(name, [calls > 0 ? values.map { $0 / Float(calls) } : values])
    }
  }

  private mutating func insert(_ name: String, _ lists: [[Float]]) throws {
    guard lists.allSatisfy({ $0.allSatisfy { $0.isFinite && $0 >= 0 } }) else {
      throw fault("\(name) has numbers that are negative or not finite")
    }
    guard entries.updateValue(lists, forKey: name) == nil else { throw fault("\(name) occurs twice") }
  }

  private static func floats(_ bytes: UnsafeRawBufferPointer) -> [Float] {
    stride(from: 0, to: bytes.count - 3, by: 4).map {
      Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self)))
    }
  }
}
