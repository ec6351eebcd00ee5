/// The alternatives of the known patterns, written out as scans over scalar classes.
///
/// Every method takes the start of a piece and returns its end, or nil when the alternative does not match.
struct PatternScanner {
  private let text: UnsafeBufferPointer<UInt8>
  private let end: Int
  private let classes = ScalarClassTable.shared

  init(text: UnsafeBufferPointer<UInt8>, end: Int) {
    self.text = text
    self.end = end
  }

  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  func gpt2(_ start: Int) -> Int {
    if let match = contraction(start, foldingCase: false) { return match }
    let body = text[start] == 0x20 ? start + 1 : start
    if body < end {
      let kind = self[body].kind
      if kind.contains(.letter) { return run(of: .letter, from: body) }
      if kind.contains(.number) { return run(of: .number, from: body) }
      if !kind.contains(.space) { return run(outside: [.space, .letter, .number], from: body) }
    }
    return spaces(start)
  }

  /// `(?i:'s|…)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
  func llama3(_ start: Int, digits: Int) -> Int {
    if let match = contraction(start, foldingCase: true) { return match }
    let (kind, next) = self[start]
    if kind.contains(.letter) { return run(of: .letter, from: next) }
    if kind.isDisjoint(with: [.number, .lineEnd]), next < end, self[next].kind.contains(.letter) {
      return run(of: .letter, from: next)
    }
    if kind.contains(.number) { return numbers(start, atMost: digits) }
    if let match = punctuation(start, slashes: false) { return match }
    return spaces(start, lineEndsFirst: true)
  }

  /// The words of tekken and gpt-4o, whose two alternatives differ in which half of the word may be missing:
  /// `[^\r\n\p{L}\p{N}]?HEAD*TAIL+|[^\r\n\p{L}\p{N}]?HEAD+TAIL*|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|…`
  func cased(_ start: Int, digits: Int, contractions: Bool) -> Int {
    if let match = casedWord(start) {
      return contractions ? contraction(match, foldingCase: true) ?? match : match
    }
    if self[start].kind.contains(.number) { return numbers(start, atMost: digits) }
    if let match = punctuation(start, slashes: true) { return match }
    return spaces(start, lineEndsFirst: true)
  }

  /// `\p{N}` alone, or the text up to the next number.
  func singleNumber(_ start: Int) -> Int {
    let (kind, next) = self[start]
    return kind.contains(.number) ? next : run(outside: .number, from: next)
  }

  // MARK: Alternatives

  private func casedWord(_ start: Int) -> Int? {
    let (kind, next) = self[start]
    let mayLead = kind.isDisjoint(with: [.letter, .number, .lineEnd])
    // The optional first scalar is taken if the rest then matches, else given back.
    if mayLead, next < end, let match = headThenTail(next) { return match }
    if let match = headThenTail(start) { return match }
    if mayLead, next < end, let match = headOnly(next) { return match }
    return headOnly(start)
  }

  /// `HEAD*TAIL+`, where letters without case and marks belong to both classes.
  private func headThenTail(_ start: Int) -> Int? {
    var index = start
    var lastShared: Int?
    while index < end {
      let (kind, next) = self[index]
      guard kind.contains(.wordHead) else { break }
      if kind.contains(.wordTail) { lastShared = next }
      index = next
    }
    if index < end, self[index].kind.contains(.wordTail) { return run(of: .wordTail, from: index) }
    // The greedy head swallowed what the tail needs: it gives back up to the last scalar that is in both
    // classes, and nothing after that one is in the tail's class.
    return lastShared
  }

  /// `HEAD+TAIL*`, tried only where `HEAD*TAIL+` has failed.
  private func headOnly(_ start: Int) -> Int? {
    let headEnd = run(of: .wordHead, from: start)
    return headEnd > start ? run(of: .wordTail, from: headEnd) : nil
  }

  /// `'s|'t|'re|'ve|'m|'ll|'d`
  private func contraction(_ start: Int, foldingCase: Bool) -> Int? {
    guard start + 1 < end, text[start] == 0x27 else { return nil }
    let fold: UInt8 = foldingCase ? 0x20 : 0
    // The long s (U+017F) folds to s: the only scalar beyond ASCII that a case-insensitive match lets in.
    if foldingCase, start + 2 < end, text[start + 1] == 0xC5, text[start + 2] == 0xBF { return start + 3 }
    let first = text[start + 1] | fold
    switch first {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"):
      return start + 2 < end && text[start + 2] | fold == UInt8(ascii: "e") ? start + 3 : nil
    case UInt8(ascii: "l"):
      return start + 2 < end && text[start + 2] | fold == UInt8(ascii: "l") ? start + 3 : nil
    default: return nil
    }
  }

  /// `\p{N}{1,limit}`, where the scalar at `start` is a number.
  private func numbers(_ start: Int, atMost limit: Int) -> Int {
    var index = self[start].next
    var count = 1
    while count < limit, index < end {
      let (kind, next) = self[index]
      guard kind.contains(.number) else { break }
      index = next
      count += 1
    }
    return index
  }

  /// ` ?[^\s\p{L}\p{N}]+[\r\n]*`, with `/` among the last class for the cased patterns.
  private func punctuation(_ start: Int, slashes: Bool) -> Int? {
    let body = text[start] == 0x20 ? start + 1 : start
    var index = run(outside: [.space, .letter, .number], from: body)
    guard index > body else { return nil }
    while index < end, text[index] == 0x0A || text[index] == 0x0D || (slashes && text[index] == 0x2F) {
      index += 1
    }
    return index
  }

  /// `\s*[\r\n]+|\s+(?!\S)|\s+`, the first only where asked for. The scalar at `start` is a space here: every
  /// other scalar was taken by an earlier alternative.
  private func spaces(_ start: Int, lineEndsFirst: Bool = false) -> Int {
    var index = start
    var last = start
    var afterLineEnd: Int?
    while index < end {
      let (kind, next) = self[index]
      guard kind.contains(.space) else { break }
      if kind.contains(.lineEnd) { afterLineEnd = next }
      last = index
      index = next
    }
    if lineEndsFirst, let afterLineEnd { return afterLineEnd }
    // `\s+(?!\S)` leaves the last space to the word behind it, unless it is the only one.
    return index < end && last > start ? last : index
  }

  // MARK: Scans

  @inline(__always)
  private subscript(index: Int) -> (kind: ScalarClasses, next: Int) {
    let (value, length) = UTF8Text.scalar(text, at: index)
    return (classes[value], index + length)
  }

  @inline(__always)
  private func run(of wanted: ScalarClasses, from start: Int) -> Int {
    var index = start
    while index < end {
      let (kind, next) = self[index]
      guard !kind.isDisjoint(with: wanted) else { break }
      index = next
    }
    return index
  }

  @inline(__always)
  private func run(outside unwanted: ScalarClasses, from start: Int) -> Int {
    var index = start
    while index < end {
      let (kind, next) = self[index]
      guard kind.isDisjoint(with: unwanted) else { break }
      index = next
    }
    return index
  }
}
