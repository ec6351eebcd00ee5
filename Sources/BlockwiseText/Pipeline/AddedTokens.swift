/// A token that is searched in the text before anything else happens to it.
struct AddedToken: Sendable, Hashable {
  var content: String
  var identifier: Int32
  var isSpecial = false
  /// Only between non-word characters.
  var matchesWholeWord = false
  /// Takes the whitespace before it.
  var stripsLeft = false
  /// Takes the whitespace behind it.
  var stripsRight = false
  /// Searched after normalisation, in the normalised spelling.
  var isNormalized = false
}

/// Finds added tokens: leftmost first, then longest, without overlaps.
struct AddedTokenMatcher: Sendable {
  /// A part of the text: a token, or text between tokens.
  struct Part {
    var range: Range<Int>
    /// The token found there, or nil for text.
    var token: Int32?
  }

  private struct Node {
    var firstChild: Int32 = -1
    var sibling: Int32 = -1
    var byte: UInt8
    /// Index into `tokens`, or −1.
    var token: Int32 = -1
  }

  private var tokens: [AddedToken] = []
  private var nodes: [Node] = []
  /// First byte → node, or −1.
  private var roots = [Int32](repeating: -1, count: 256)

  var isEmpty: Bool { tokens.isEmpty }

  /// Adds a token under the spelling to search for. Empty spellings are ignored; the first of two equal wins.
  mutating func insert(_ token: AddedToken, spelling: some Collection<UInt8>) {
    guard let first = spelling.first else { return }
    if roots[Int(first)] < 0 { roots[Int(first)] = makeNode(first) }
    var node = Int(roots[Int(first)])
    for byte in spelling.dropFirst() { node = child(of: node, byte) ?? addChild(to: node, byte) }
    if nodes[node].token < 0 {
      nodes[node].token = Int32(tokens.count)
      tokens.append(token)
    }
  }

  private mutating func makeNode(_ byte: UInt8) -> Int32 {
    nodes.append(Node(byte: byte))
    return Int32(nodes.count - 1)
  }

  private mutating func addChild(to parent: Int, _ byte: UInt8) -> Int {
    let node = makeNode(byte)
    nodes[Int(node)].sibling = nodes[parent].firstChild
    nodes[parent].firstChild = node
    return Int(node)
  }

  private func child(of parent: Int, _ byte: UInt8) -> Int? {
    var node = nodes[parent].firstChild
    while node >= 0 {
      if nodes[Int(node)].byte == byte { return Int(node) }
      node = nodes[Int(node)].sibling
    }
    return nil
  }

  /// Cuts `text[range]` into tokens and the text between them, in order.
  ///
  /// - Parameter includingSpecial: when false, special tokens are plain text (they still hide what they contain).
  func split(
    _ text: UnsafeBufferPointer<UInt8>, includingSpecial: Bool
  ) -> [Part] {
    if tokens.isEmpty { return text.isEmpty ? [] : [Part(range: 0..<text.count, token: nil)] }
    var parts: [Part] = []
    var position = 0
    var textStart = 0
    while position < text.count {
      guard let (tokenIndex, length) = longestMatch(text, at: position) else {
        position += 1
        continue
      }
      let token = tokens[tokenIndex]
      var range = position..<position + length
      position = range.upperBound
      if token.isSpecial && !includingSpecial { continue }
      if token.matchesWholeWord
        && (isWordBefore(range.lowerBound, text) || isWordAfter(range.upperBound, text))
      {
        continue
      }
      if token.stripsLeft {
        range = max(textStart, spaceStart(before: range.lowerBound, text))..<range.upperBound
      }
      if token.stripsRight { range = range.lowerBound..<spaceEnd(after: range.upperBound, text) }
      // A token that the whitespace of its predecessor reached into keeps what is left of it.
      let start = max(range.lowerBound, textStart)
      if start > textStart { parts.append(Part(range: textStart..<start, token: nil)) }
      parts.append(Part(range: start..<max(start, range.upperBound), token: token.identifier))
      textStart = max(start, range.upperBound)
    }
    if textStart < text.count { parts.append(Part(range: textStart..<text.count, token: nil)) }
    return parts
  }

  private func longestMatch(_ text: UnsafeBufferPointer<UInt8>, at start: Int) -> (Int, Int)? {
    var node = roots[Int(text[start])]
    if node < 0 { return nil }
    var best: (Int, Int)?
    var index = start + 1
    while node >= 0 {
      if nodes[Int(node)].token >= 0 { best = (Int(nodes[Int(node)].token), index - start) }
      guard index < text.count else { break }
      node = child(of: Int(node), text[index]).map { Int32($0) } ?? -1
      index += 1
    }
    return best
  }

  private func isWordBefore(_ index: Int, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard index > 0 else { return false }
    let start = UTF8Text.start(ofScalarBefore: index, in: text)
    return ScalarClassTable.shared[UTF8Text.scalar(text, at: start).value].contains(.word)
  }

  private func isWordAfter(_ index: Int, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard index < text.count else { return false }
    return ScalarClassTable.shared[UTF8Text.scalar(text, at: index).value].contains(.word)
  }

  private func spaceStart(before index: Int, _ text: UnsafeBufferPointer<UInt8>) -> Int {
    var index = index
    while index > 0 {
      let start = UTF8Text.start(ofScalarBefore: index, in: text)
      guard ScalarClassTable.shared[UTF8Text.scalar(text, at: start).value].contains(.space) else { break }
      index = start
    }
    return index
  }

  private func spaceEnd(after index: Int, _ text: UnsafeBufferPointer<UInt8>) -> Int {
    var index = index
    while index < text.count {
      let (value, length) = UTF8Text.scalar(text, at: index)
      guard ScalarClassTable.shared[value].contains(.space) else { break }
      index += length
    }
    return index
  }
}
