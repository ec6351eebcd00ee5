/// What a GGUF file says about being one of several: `split.no`, `split.count` and `split.tensors.count`.
struct GGUFSplit: Sendable, Hashable {
  /// The file's number, from 0.
  var number: Int
  /// How many files there are.
  var count: Int
  /// Tensors of all files together, where the file says so.
  var tensorCount: Int?

  /// Most files that the five digits of their names can count.
  private static let countLimit = 99_999

  /// Reads the keys; nil where the file stands alone.
  init?(_ metadata: [String: GGUFValue], file: String) throws(ModelFileError) {
    func whole(_ key: String, _ range: ClosedRange<Int>) throws(ModelFileError) -> Int? {
      guard let value = metadata[key] else { return nil }
      guard let number = value.integerValue, range.contains(number) else {
        throw .key(
          name: key, found: value.summary,
          expected: "a whole number from \(range.lowerBound) to \(range.upperBound)", file: file)
      }
      return number
    }
    guard let count = try whole("split.count", 0...GGUFSplit.countLimit), count > 1 else { return nil }
    guard let number = try whole("split.no", 0...count - 1) else {
      throw .key(
        name: "split.no", found: "nothing", expected: "a whole number from 0 to \(count - 1)", file: file)
    }
    self.number = number
    self.count = count
    tensorCount = try whole("split.tensors.count", 0...1 << 40)
  }

  /// How the name of a file in the set ends: `-00001-of-00003.gguf`.
  static func suffix(_ number: Int, of count: Int) -> String {
    func digits(_ number: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, 5 - text.count)) + text
    }
    return "-\(digits(number + 1))-of-\(digits(count)).gguf"
  }

  /// The names of all files of the set that one with this name belongs to, or nil if the name says nothing of a set.
  static func siblings(of name: String) -> [String]? {
    let parts = name.utf8.suffix(20)
    // "-00001-of-00003.gguf"
    guard name.utf8.count > 20, let text = String(parts), let count = Int(text.dropFirst(10).prefix(5)),
      let number = Int(text.dropFirst(1).prefix(5)), (2...countLimit).contains(count),
      (1...count).contains(number), text == suffix(number - 1, of: count)
    else { return nil }
    let prefix = String(name.dropLast(20))
    return (0..<count).map { prefix + suffix($0, of: count) }
  }
}
