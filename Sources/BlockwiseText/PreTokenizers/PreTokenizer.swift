/// One step that cuts text into the pieces among which no merge happens.
enum PreTokenizer: Sendable {
  /// Cuts at the matches of an expression or a literal text.
  case split(SplitMatcher, SplitBehavior, isInverted: Bool)
  /// Cuts numbers off, one by one or in runs.
  case digits(individual: Bool)
  /// Writes spaces as another scalar and begins a piece at each.
  case metaspace(Metaspace)
  /// Prepares for a byte-level vocabulary: a space before every piece if wanted, then GPT-2's pattern if wanted.
  case byteLevel(addsPrefixSpace: Bool, usesPattern: Bool)
  /// Writes the bytes in the alphabet of byte-level vocabularies, for steps that come after ``byteLevel``.
  case spell

  var isByteLevel: Bool { if case .byteLevel = self { true } else { false } }

  /// The options of the `Metaspace` pre-tokeniser.
  struct Metaspace: Sendable {
    enum PrependScheme: String, Sendable, CaseIterable {
      case first, always, never
    }

    var replacement: [UInt8]
    var prependScheme: PrependScheme
    var splits: Bool
  }

  /// What ``split`` looks for.
  enum SplitMatcher: Sendable {
    case pattern(SplitPattern)
    case literal([UInt8])
    case expression(Expression)
  }

  /// What happens to the matches of ``split``.
  enum SplitBehavior: String, Sendable, CaseIterable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"
  }

  /// Runs all steps on one stretch of text and hands over the final text and the pieces in it.
  ///
  /// - Parameters:
  ///   - isAtStart: whether the stretch begins the whole input.
  ///   - body: receives text and pieces; neither may escape.
  static func run(
    _ steps: ArraySlice<PreTokenizer>, _ text: UnsafeBufferPointer<UInt8>, _ pieces: [Range<Int>],
    isAtStart: Bool, _ body: (UnsafeBufferPointer<UInt8>, [Range<Int>]) -> Void
  ) {
    guard let step = steps.first else { return body(text, pieces) }
    let rest = steps.dropFirst()
    if let (changed, ranges) = step.rewrite(text, pieces, isAtStart: isAtStart) {
      changed.withUnsafeBufferPointer { changed in
        run(rest, changed, step.cut(changed, ranges), isAtStart: isAtStart, body)
      }
    } else {
      run(rest, text, step.cut(text, pieces), isAtStart: isAtStart, body)
    }
  }

  /// The part of a step that changes text, or nil when it changes nothing.
  private func rewrite(
    _ text: UnsafeBufferPointer<UInt8>, _ pieces: [Range<Int>], isAtStart: Bool
  ) -> ([UInt8], [Range<Int>])? {
    switch self {
    case .split, .digits, .byteLevel(addsPrefixSpace: false, _): return nil
    case .spell:
      return Self.rebuild(pieces) { index, output in
        ByteAlphabet.spell(UnsafeBufferPointer(rebasing: text[pieces[index]]), into: &output)
      }
    case .byteLevel:
      return Self.rebuild(pieces) { index, output in
        if text[pieces[index].lowerBound] != 0x20 { output.append(0x20) }
        output.append(contentsOf: text[pieces[index]])
      }
    case .metaspace(let options):
      return Self.rebuild(pieces) { index, output in
        let piece = pieces[index]
        let startsWithSpace =
          text[piece.lowerBound] == 0x20 || text[piece].starts(with: options.replacement)
        let prepends =
          switch options.prependScheme {
          case .always: true
          case .first: isAtStart && index == 0
          case .never: false
          }
        if prepends && !startsWithSpace { output.append(contentsOf: options.replacement) }
        for byte in text[piece] {
          if byte == 0x20 {
            output.append(contentsOf: options.replacement)
          } else {
            output.append(byte)
          }
        }
      }
    }
  }

  private static func rebuild(
    _ pieces: [Range<Int>], _ write: (Int, inout [UInt8]) -> Void
  ) -> ([UInt8], [Range<Int>]) {
    var output: [UInt8] = []
    var ranges: [Range<Int>] = []
    for index in pieces.indices {
      let start = output.count
      write(index, &output)
      ranges.append(start..<output.count)
    }
    return (output, ranges)
  }

  /// The part of a step that cuts.
  private func cut(_ text: UnsafeBufferPointer<UInt8>, _ pieces: [Range<Int>]) -> [Range<Int>] {
    var output: [Range<Int>] = []
    switch self {
    case .byteLevel(_, usesPattern: false), .spell: return pieces
    case .byteLevel: for piece in pieces { SplitPattern.gpt2.split(text, range: piece, into: &output) }
    case .split(.pattern(let pattern), let behavior, _)
    where pattern != .singleNumbers && behavior == .isolated:
      // Everything is a match or stands alone between matches.
      for piece in pieces { pattern.split(text, range: piece, into: &output) }
    case .split(let matcher, let behavior, let isInverted):
      for piece in pieces {
        var parts = matcher.parts(text, piece)
        if isInverted { for index in parts.indices { parts[index].isMatch.toggle() } }
        behavior.apply(parts, into: &output)
      }
    case .digits(let individual):
      let behavior = individual ? SplitBehavior.isolated : .contiguous
      for piece in pieces {
        behavior.apply(SplitMatcher.pattern(.singleNumbers).parts(text, piece), into: &output)
      }
    case .metaspace(let options):
      guard options.splits else { return pieces }
      for piece in pieces {
        SplitBehavior.mergedWithNext.apply(
          SplitMatcher.literal(options.replacement).parts(text, piece), into: &output)
      }
    }
    return output
  }
}

extension PreTokenizer {
  /// A stretch that matches, or one between matches.
  struct SplitPart {
    var range: Range<Int>
    var isMatch: Bool
  }
}

extension PreTokenizer.SplitMatcher {
  /// Matches and what is between them, in order.
  func parts(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> [PreTokenizer.SplitPart] {
    var parts: [PreTokenizer.SplitPart] = []
    switch self {
    case .pattern(let pattern):
      var ranges: [Range<Int>] = []
      pattern.split(text, range: range, into: &ranges)
      let classes = ScalarClassTable.shared
      for range in ranges {
        let isMatch =
          pattern != .singleNumbers
          || classes[UTF8Text.scalar(text, at: range.lowerBound).value].contains(.number)
        parts.append(.init(range: range, isMatch: isMatch))
      }
    case .expression(let expression):
      var end = range.lowerBound
      for match in expression.matches(in: text, range: range) {
        if match.lowerBound > end { parts.append(.init(range: end..<match.lowerBound, isMatch: false)) }
        // Empty ones cut too.
        parts.append(.init(range: match, isMatch: true))
        end = match.upperBound
      }
      if end < range.upperBound { parts.append(.init(range: end..<range.upperBound, isMatch: false)) }
    case .literal(let literal):
      var start = range.lowerBound
      var index = start
      while index + literal.count <= range.upperBound {
        guard text[index..<index + literal.count].elementsEqual(literal) else {
          index += 1
          continue
        }
        if index > start { parts.append(.init(range: start..<index, isMatch: false)) }
        start = index + literal.count
        parts.append(.init(range: index..<start, isMatch: true))
        index = start
      }
      if start < range.upperBound { parts.append(.init(range: start..<range.upperBound, isMatch: false)) }
    }
    return parts
  }
}

extension PreTokenizer.SplitBehavior {
  /// Turns matches and the text between them into pieces that are not empty.
  func apply(_ parts: [PreTokenizer.SplitPart], into output: inout [Range<Int>]) {
    let first = output.count
    defer {
      if output[first...].contains(where: \.isEmpty) {
        output.replaceSubrange(first..., with: output[first...].filter { !$0.isEmpty })
      }
    }
    switch self {
    case .isolated: for part in parts { output.append(part.range) }
    case .removed: for part in parts where !part.isMatch { output.append(part.range) }
    case .contiguous:
      var previous: Bool?
      for part in parts {
        if part.isMatch == previous, let last = output.popLast() {
          output.append(last.lowerBound..<part.range.upperBound)
        } else {
          output.append(part.range)
        }
        previous = part.isMatch
      }
    case .mergedWithPrevious:
      var previousMatched = false
      for part in parts {
        if part.isMatch && !previousMatched && output.count > first, let last = output.popLast() {
          output.append(last.lowerBound..<part.range.upperBound)
        } else {
          output.append(part.range)
        }
        previousMatched = part.isMatch
      }
    case .mergedWithNext:
      var backwards: [Range<Int>] = []
      var previousMatched = false
      for part in parts.reversed() {
        if part.isMatch && !previousMatched, let last = backwards.popLast() {
          backwards.append(part.range.lowerBound..<last.upperBound)
        } else {
          backwards.append(part.range)
        }
        previousMatched = part.isMatch
      }
      output.append(contentsOf: backwards.reversed())
    }
  }
}
