/// The `precompiled_charsmap` of SentencePiece models: which texts normalise to which, as a double-array trie over
/// UTF-8 bytes and a block of replacement texts that end in zero bytes.
///
/// The trie is interpreted as it lies in the file, so every normalisation that a model was trained with (`nmt_nfkc`,
/// `nfkc_cf`, own rules) is applied exactly. Indices from the file are checked where they are used.
struct CharacterMap: Sendable {
  private let units: [UInt32]
  private let replacements: [UInt8]

  /// More matches than this at one place are not looked at, as in the reference.
  private static let matchLimit = 32

  /// - Throws: a ``TokenizerError`` when the sizes or the replacement texts cannot be right.
  init(_ blob: some RandomAccessCollection<UInt8>, key: String) throws {
    func fault(_ found: String) -> TokenizerError {
      .invalidValue(key: key, found: found, expected: "a trie and replacement texts that end in zero bytes")
    }
    func unit(_ place: some Collection<UInt8>) -> UInt32 {
      place.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
    guard blob.count > 4 else { throw fault("\(blob.count) bytes") }
    let size = Int(unit(blob.prefix(4)))
    let rest = blob.dropFirst(4)
    guard size >= 4, size % 4 == 0, size < rest.count else {
      throw fault("a trie of \(size) bytes in \(blob.count)")
    }
    var units: [UInt32] = []
    units.reserveCapacity(size / 4)
    var bytes = rest.prefix(size)[...]
    while !bytes.isEmpty {
      units.append(unit(bytes.prefix(4)))
      bytes = bytes.dropFirst(4)
    }
    self.units = units
    replacements = Array(rest.dropFirst(size))
    guard replacements.last == 0 else { throw fault("texts without an end") }
    guard replacements.withUnsafeBufferPointer({ UTF8Text.firstInvalidOffset($0) }) == nil else {
      throw fault("texts that are not UTF-8")
    }
  }

  /// The longest rule for what stands at `start`: where it ends and its replacement.
  func longestRule(
    in text: UnsafeBufferPointer<UInt8>, at start: Int
  ) -> (end: Int, replacement: ArraySlice<UInt8>)? {
    var longest: (end: Int, value: UInt32)?
    var count = 0
    forEachRule(in: text, at: start) { end, value in
      longest = (end, value)
      count += 1
      return count < Self.matchLimit
    }
    guard let longest, let replacement = replacement(longest.value) else { return nil }
    return (longest.end, replacement)
  }

  /// The replacement by the shortest rule for the beginning of `text`.
  func shortestReplacement(_ text: UnsafeBufferPointer<UInt8>) -> ArraySlice<UInt8>? {
    var found: UInt32?
    forEachRule(in: text, at: 0) { _, value in
      found = value
      return false
    }
    return found.flatMap { replacement($0) }
  }

  /// Walks the trie; see "Darts-clone" for the layout of a unit.
  private func forEachRule(
    in text: UnsafeBufferPointer<UInt8>, at start: Int, _ body: (_ end: Int, _ value: UInt32) -> Bool
  ) {
    var place = Self.offset(units[0])
    for index in start..<text.count {
      let byte = text[index]
      // A zero byte would be taken for the mark of a value.
      if byte == 0 { return }
      place ^= UInt32(byte)
      guard place < units.count else { return }
      let unit = units[Int(place)]
      guard unit & 0x8000_00FF == UInt32(byte) else { return }
      place ^= Self.offset(unit)
      guard unit >> 8 & 1 != 0, place < units.count else { continue }
      let end = index + 1
      // Rules are about whole scalars; a match that ends inside one comes from a damaged table.
      if end < text.count, text[end] & 0xC0 == 0x80 { continue }
      if !body(end, units[Int(place)] & 0x7FFF_FFFF) { return }
    }
  }

  private static func offset(_ unit: UInt32) -> UInt32 { (unit >> 10) << ((unit & 0x200) >> 6) }

  private func replacement(_ value: UInt32) -> ArraySlice<UInt8>? {
    let start = Int(value)
    guard start < replacements.count, replacements[start] & 0xC0 != 0x80,
      let end = replacements[start...].firstIndex(of: 0)
    else { return nil }
    return replacements[start..<end]
  }
}

extension CharacterMap {
  /// The `Precompiled` normaliser of the `tokenizers` library: by user-perceived characters, whole if they are short
  /// and a rule begins with them, else scalar by scalar.
  func normalizeCharacters(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    for character in String(decoding: text, as: UTF8.self) {
      var character = String(character)
      character.withUTF8 { bytes in
        if bytes.count < 6, let replacement = shortestReplacement(bytes) {
          output.append(contentsOf: replacement)
          return
        }
        var index = 0
        while index < bytes.count {
          let length = UTF8Text.scalar(bytes, at: index).length
          let scalar = UnsafeBufferPointer(rebasing: bytes[index..<index + length])
          if let replacement = shortestReplacement(scalar) {
            output.append(contentsOf: replacement)
          } else {
            output.append(contentsOf: scalar)
          }
          index += length
        }
      }
    }
    return output
  }
}
