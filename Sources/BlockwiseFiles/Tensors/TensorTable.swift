/// The tensors of one mapped file, in order and by name; checks what every format must check.
struct TensorTable: Sendable {
  struct Entry: Sendable {
    var name: String
    var type: TensorType
    var shape: [Int]
    /// Bytes from the start of the file.
    var range: Range<Int>
  }

  private(set) var entries: [Entry] = []
  private var places: [String: Int] = [:]

  /// Adds a tensor whose range has been checked against the file.
  mutating func append(_ entry: Entry, file: String) throws(ModelFileError) {
    guard places.updateValue(entries.count, forKey: entry.name) == nil else {
      throw .duplicateTensor(name: entry.name, file: file)
    }
    entries.append(entry)
  }

  func contains(_ name: String) -> Bool { places[name] != nil }

  func view(named name: String, in mapping: MappedFile) throws(ModelFileError) -> TensorView {
    guard let place = places[name] else { throw .tensorMissing(name: name, file: mapping.path) }
    let entry = entries[place]
    return TensorView(
      name: entry.name, type: entry.type, shape: entry.shape, mapping: mapping, range: entry.range)
  }

  /// The entries ordered by their place in the file, after checking that no two share a byte.
  func sortedByPlace(file: String) throws(ModelFileError) -> [Entry] {
    let sorted = entries.sorted {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }
    for (entry, next) in zip(sorted, sorted.dropFirst()) where entry.range.upperBound > next.range.lowerBound
    {
      throw .tensorRange(name: next.name, problem: "its bytes overlap those of \(entry.name)", file: file)
    }
    return sorted
  }

  /// The number of elements of a shape, or nil if it cannot be counted.
  static func elementCount(_ shape: [Int]) -> Int? {
    var count = 1
    var isEmpty = false
    for dimension in shape {
      if dimension == 0 { isEmpty = true }
      // Zero must not hide the overflow of the other dimensions from code that multiplies in another order.
      let (product, overflow) = count.multipliedReportingOverflow(by: max(dimension, 1))
      guard dimension >= 0, !overflow else { return nil }
      count = product
    }
    return isEmpty ? 0 : count
  }
}
