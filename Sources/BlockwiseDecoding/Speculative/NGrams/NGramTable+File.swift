public import BlockwiseFiles
internal import Foundation

/// A table as a safetensors file: for every length n the tensors `keys.n` (U32, ascending), `counts.n` (U8: followers of each
/// context), `tokens.n` (U16, or I32 where the vocabulary is larger than 65,536) and `shares.n` (U8); what it is in the metadata.
extension NGramTable {
  private static let format = "blockwise n-grams 1"

  /// Reads a table.
  /// - Throws: ``ModelFileError`` for a file that is damaged or no table.
  public convenience init(path: String) throws(ModelFileError) {
    let file = try SafetensorsFile(path: path)
    func refuse(_ key: String, _ expected: String) -> ModelFileError {
      .key(
        name: key, found: file.metadata[key].map { "\"\($0.prefix(40))\"" } ?? "nothing", expected: expected,
        file: path)
    }
    func number(_ key: String, _ range: ClosedRange<Int>) throws(ModelFileError) -> Int {
      guard let text = file.metadata[key], let value = Int(text), range.contains(value) else {
        throw refuse(key, "a number from \(range.lowerBound) to \(range.upperBound)")
      }
      return value
    }
    guard file.metadata["format"] == Self.format else { throw refuse("format", "\"\(Self.format)\"") }
    let length = try number("length", 1...Self.lengthLimit)
    let tokenCount = try number("vocabulary", 1...Int(Int32.max))
    let countedCount = try number("counted", 0...Int.max)
    guard let text = file.metadata["vocabulary_hash"], let hash = UInt64(text, radix: 16) else {
      throw refuse("vocabulary_hash", "a hexadecimal number")
    }
    var levels: [Level] = []
    for number in 1...length { levels.append(try Self.level(number, of: file, tokenCount: tokenCount)) }
    self.init(
      levels: levels, vocabulary: VocabularyFingerprint(tokenCount: tokenCount, hash: hash),
      countedCount: countedCount)
  }

  private static func level(
    _ number: Int, of file: SafetensorsFile, tokenCount: Int
  ) throws(ModelFileError) -> Level {
    func tensor(_ name: String, _ types: [String]) throws(ModelFileError) -> TensorView {
      let name = "\(name).\(number)"
      guard file.contains(name) else { throw .tensorMissing(name: name, file: file.path) }
      let tensor = try file.tensor(named: name)
      guard types.contains(tensor.type.name) else {
        throw .tensorType(name: name, found: tensor.type.name, supported: types, file: file.path)
      }
      guard tensor.shape.count == 1 else {
        throw .tensorShape(name: name, expected: [tensor.elementCount], found: tensor.shape, file: file.path)
      }
      return tensor
    }
    func check(_ isTrue: Bool, _ name: String, _ problem: @autoclosure () -> String) throws(ModelFileError) {
      guard isTrue else { throw .tensorRange(name: "\(name).\(number)", problem: problem(), file: file.path) }
    }
    func sized(_ tensor: TensorView, _ count: Int) throws(ModelFileError) {
      guard tensor.elementCount == count else {
        throw .tensorShape(name: tensor.name, expected: [count], found: tensor.shape, file: file.path)
      }
    }
    let keys = try tensor("keys", ["U32"])
    let counts = try tensor("counts", ["U8"])
    let tokens = try tensor("tokens", ["U16", "I32"])
    let shares = try tensor("shares", ["U8"])
    try sized(counts, keys.elementCount)
    try sized(shares, tokens.elementCount)
    var level = Level()
    level.keys = values(keys, UInt32.self)
    try check(zip(level.keys, level.keys.dropFirst()).allSatisfy { $0 < $1 }, "keys", "they do not ascend")
    level.shares = Array(shares.bytes)
    level.tokens =
      tokens.type.name == "U16"
      ? values(tokens, UInt16.self).map { TokenID(Int32($0)) }
      : values(tokens, Int32.self).map { TokenID($0) }
    try check(
      level.tokens.allSatisfy { (0..<tokenCount).contains($0.index) }, "tokens",
      "a token is outside the vocabulary of \(tokenCount)")
    var end = 0
    level.starts.reserveCapacity(level.keys.count + 1)
    for count in counts.bytes {
      try check(
        (1...followerLimit).contains(Int(count)), "counts",
        "a context has \(count) followers, expected 1 to \(followerLimit)")
      end += Int(count)
      level.starts.append(UInt32(truncatingIfNeeded: end))
    }
    try check(
      end == level.tokens.count && end <= Int(UInt32.max), "counts",
      "they add up to \(end), and there are \(level.tokens.count) followers")
    return level
  }

  private static func values<Value: FixedWidthInteger>(_ tensor: TensorView, _: Value.Type) -> [Value] {
    let size = MemoryLayout<Value>.size
    return (0..<tensor.elementCount).map {
      Value(littleEndian: tensor.bytes.loadUnaligned(fromByteOffset: size * $0, as: Value.self))
    }
  }

  /// Writes the table, replacing what is at `path`.
  /// - Throws: ``ModelFileError/cannotWrite(path:reason:)``.
  public func write(to path: String) throws(ModelFileError) {
    var writer = SafetensorsWriter(metadata: [
      "format": Self.format, "length": "\(maximumLength)", "vocabulary": "\(vocabulary.tokenCount)",
      "vocabulary_hash": String(vocabulary.hash, radix: 16), "counted": "\(countedCount)",
    ])
    func append<Value: FixedWidthInteger>(_ name: String, _ type: String, _ values: [Value])
      throws(ModelFileError)
    {
      guard let type = TensorType.safetensors(type) else { return }
      let bytes = values.flatMap { value in withUnsafeBytes(of: value.littleEndian, Array.init) }
      try writer.append(name, type: type, shape: [values.count], bytes: bytes)
    }
    for (index, level) in levels.enumerated() {
      let number = index + 1
      try append("keys.\(number)", "U32", level.keys)
      try append("counts.\(number)", "U8", zip(level.starts, level.starts.dropFirst()).map { UInt8($1 - $0) })
      if vocabulary.tokenCount <= 1 << 16 {
        try append("tokens.\(number)", "U16", level.tokens.map { UInt16($0.rawValue) })
      } else {
        try append("tokens.\(number)", "I32", level.tokens.map(\.rawValue))
      }
      try append("shares.\(number)", "U8", level.shares)
    }
    try writer.write(to: path)
  }

  /// Bytes of the file, but for its header.
  var byteCount: Int {
    let tokenSize = vocabulary.tokenCount <= 1 << 16 ? 2 : 4
    return levels.reduce(0) { $0 + 5 * $1.keys.count + (1 + tokenSize) * $1.tokens.count }
  }
}
