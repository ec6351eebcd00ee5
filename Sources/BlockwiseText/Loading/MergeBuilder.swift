/// Collects merge rules, looking up the two sides and their concatenation in the vocabulary.
struct MergeBuilder {
  private let vocabulary: Vocabulary
  private(set) var table: MergeTable
  /// Whether a rule joins a space mark to a scalar before it that is none.
  private(set) var joinsSpaceMarkToOther = false
  private var ruleCount = 0
  private var joined: [UInt8] = []

  init(vocabulary: Vocabulary, expectedCount: Int) {
    self.vocabulary = vocabulary
    table = MergeTable(expectedCount: expectedCount)
  }

  /// The error for the rule that is being read.
  func fault(_ reason: String) -> TokenizerError { .badMerge(index: ruleCount, reason: reason) }

  /// Adds a rule in the form `left right`.
  mutating func add(spaced rule: UnsafeBufferPointer<UInt8>) throws {
    let parts = rule.split(separator: 0x20, omittingEmptySubsequences: false)
    guard parts.count == 2 else {
      throw fault("is '\(String(decoding: rule, as: UTF8.self))' instead of two tokens and a space")
    }
    try add(UnsafeBufferPointer(rebasing: parts[0]), UnsafeBufferPointer(rebasing: parts[1]))
  }

  /// Adds a rule; rules that come first have precedence.
  mutating func add(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) throws {
    let leftToken = try find(left)
    let rightToken = try find(right)
    joined.removeAll(keepingCapacity: true)
    joined.append(contentsOf: left)
    joined.append(contentsOf: right)
    let token = try joined.withUnsafeBufferPointer { try find($0) }
    if right.starts(with: SpaceMark.bytes), !left.suffix(3).elementsEqual(SpaceMark.bytes) {
      joinsSpaceMarkToOther = true
    }
    guard let rank = UInt32(exactly: ruleCount) else { throw fault("is one too many") }
    table.insert(leftToken, rightToken, rank: rank, token: token)
    ruleCount += 1
  }

  private func find(_ text: UnsafeBufferPointer<UInt8>) throws -> Int32 {
    let token = vocabulary.find(text)
    if token < 0 {
      throw fault("needs '\(String(decoding: text, as: UTF8.self))', which is not in the vocabulary")
    }
    return token
  }
}
