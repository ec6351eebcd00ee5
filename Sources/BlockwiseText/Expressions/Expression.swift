/// A regular expression of a pre-tokeniser or normaliser, interpreted by backtracking.
///
/// Leftmost matches, alternatives in order, as the reference engine. There are no groups to remember, so what has failed
/// at a place once fails there again: after some thousand steps without a match the interpreter notes where it has been,
/// and no expression takes more steps than a multiple of the text's length. A search over a whole text has a budget of
/// its own, behind which the rest of the text has no match.
package struct Expression: Sendable {
  private enum Instruction: Sendable {
    case set(Int)
    /// A repeated set, which is nearly everything these expressions repeat.
    case run(set: Int, min: Int, max: Int, RepetitionMode)
    /// Tries the first place, then the second.
    case fork(Int, Int)
    case jump(Int)
    /// The body follows and ends in ``accept``; the rest is at `next`.
    case lookahead(next: Int, isNegated: Bool)
    case atomic(next: Int)
    case assertion(ExpressionNode.Assertion)
    case accept
  }

  private var program: [Instruction] = []
  private var sets: [ScalarSet] = []
  /// Nodes compiled so far: repetitions of nothing add no instructions, and multiply all the same.
  private var compiledCount = 0

  /// Longer programs are refused: counted groups multiply.
  private static let sizeLimit = 20_000

  /// Compiles an expression.
  ///
  /// - Throws: ``TokenizerError/unsupportedExpression(_:reason:)`` naming the construct that is not interpreted.
  package init(_ text: String) throws {
    do {
      var parser = ExpressionParser(text)
      try compile(try parser.parse())
      program.append(.accept)
    } catch {
      throw TokenizerError.unsupportedExpression(text, reason: error.reason)
    }
  }

  // MARK: Compiling

  private mutating func compile(_ node: ExpressionNode) throws(ExpressionError) {
    compiledCount += 1
    guard program.count <= Self.sizeLimit, compiledCount <= 4 * Self.sizeLimit else {
      throw ExpressionError(reason: "repetitions that multiply")
    }
    switch node {
    case .empty: break
    case .set(let set): program.append(.set(add(set)))
    case .sequence(let nodes): for node in nodes { try compile(node) }
    case .alternatives(let nodes):
      var ends: [Int] = []
      for (index, node) in nodes.enumerated() {
        guard index < nodes.count - 1 else {
          try compile(node)
          break
        }
        let fork = reserve()
        try compile(node)
        ends.append(reserve())
        program[fork] = .fork(fork + 1, program.count)
      }
      for end in ends { program[end] = .jump(program.count) }
    case .repetition(let node, let min, let max, let mode):
      if case .set(let set) = node {
        program.append(.run(set: add(set), min: min, max: max ?? Int.max, mode))
      } else if mode == .possessive {
        try compileAtomic(.repetition(node, min: min, max: max, .greedy))
      } else {
        try compileRepetition(node, min, max, mode)
      }
    case .lookahead(let node, let isNegated):
      let place = reserve()
      try compile(node)
      program.append(.accept)
      program[place] = .lookahead(next: program.count, isNegated: isNegated)
    case .atomic(let node): try compileAtomic(node)
    case .assertion(let assertion): program.append(.assertion(assertion))
    }
  }

  private mutating func compileAtomic(_ node: ExpressionNode) throws(ExpressionError) {
    let place = reserve()
    try compile(node)
    program.append(.accept)
    program[place] = .atomic(next: program.count)
  }

  private mutating func compileRepetition(
    _ node: ExpressionNode, _ min: Int, _ max: Int?, _ mode: RepetitionMode
  ) throws(ExpressionError) {
    for _ in 0..<min { try compile(node) }
    func order(_ body: Int, _ exit: Int) -> Instruction {
      mode == .lazy ? .fork(exit, body) : .fork(body, exit)
    }
    guard let max else {
      let fork = reserve()
      try compile(node)
      program.append(.jump(fork))
      program[fork] = order(fork + 1, program.count)
      return
    }
    var forks: [Int] = []
    for _ in min..<max {
      forks.append(reserve())
      try compile(node)
    }
    for fork in forks { program[fork] = order(fork + 1, program.count) }
  }

  private mutating func reserve() -> Int {
    program.append(.accept)
    return program.count - 1
  }

  private mutating func add(_ node: ScalarSet.Node) -> Int {
    sets.append(ScalarSet(node))
    return sets.count - 1
  }

  // MARK: Searching

  /// The matches in `text[range]`, leftmost first, without overlaps. Empty ones are among them, but not right behind
  /// another match.
  ///
  /// - Parameter text: valid UTF-8; nothing outside the range is looked at.
  package func matches(in text: UnsafeBufferPointer<UInt8>, range: Range<Int>) -> [Range<Int>] {
    var found: [Range<Int>] = []
    var attempt = Attempt(program: program, sets: sets, text: text, range: range)
    var start = range.lowerBound
    var lastEnd: Int?
    while start <= range.upperBound {
      guard let match = attempt.firstMatch(from: start) else { break }
      if match.isEmpty, match.lowerBound == lastEnd {
        guard start < range.upperBound else { break }
        start += UTF8Text.scalar(text, at: start).length
        continue
      }
      found.append(match)
      start = match.upperBound
      lastEnd = match.upperBound
    }
    return found
  }

  /// One search over one text.
  private struct Attempt {
    let program: [Instruction]
    let sets: [ScalarSet]
    let text: UnsafeBufferPointer<UInt8>
    let range: Range<Int>
    /// Steps left for the whole search.
    var budget: Int
    /// Steps since the last match.
    var steps = 0
    var visited: Set<UInt64> = []

    /// Steps per byte of the text: far more than any expression of a tokenizer takes.
    private static let stepsPerByte = 400
    /// From here on the interpreter notes where it has been.
    private static let freeSteps = 4000
    /// More notes than this end the search.
    private static let noteLimit = 1 << 20

    /// Something to try when the current way fails.
    private enum Alternative {
      case place(instruction: Int, position: Int)
      /// A greedy run may give back down to `least`.
      case shorter(instruction: Int, least: Int, position: Int)
      /// A lazy run may take up to `count` more.
      case longer(instruction: Int, position: Int, count: Int)
    }

    init(program: [Instruction], sets: [ScalarSet], text: UnsafeBufferPointer<UInt8>, range: Range<Int>) {
      self.program = program
      self.sets = sets
      self.text = text
      self.range = range
      budget = 1_000_000 + range.count.multipliedReportingOverflow(by: Self.stepsPerByte).partialValue
    }

    mutating func firstMatch(from start: Int) -> Range<Int>? {
      var start = start
      steps = 0
      // What failed from one start fails from the next ones too, so the notes hold until there is a match.
      if !visited.isEmpty { visited.removeAll(keepingCapacity: visited.count < 1 << 12) }
      while true {
        if let end = run(0, start) { return start..<end }
        guard start < range.upperBound, budget > 0 else { return nil }
        start += UTF8Text.scalar(text, at: start).length
      }
    }

    /// The end of the preferred match of the program from `instruction` on, or nil.
    private mutating func run(_ instruction: Int, _ position: Int) -> Int? {
      var alternatives: [Alternative] = []
      var instruction = instruction
      var position = position
      while true {
        steps += 1
        budget -= 1
        if budget <= 0 { return nil }
        var failed = false
        switch program[instruction] {
        case .accept: return position
        case .set(let set):
          if position < range.upperBound {
            let (value, length) = UTF8Text.scalar(text, at: position)
            failed = !sets[set].contains(value)
            position += length
          } else {
            failed = true
          }
          instruction += 1
        case .run(let set, let min, let max, let mode):
          let least = take(set, count: min, from: position)
          if let least, mode == .lazy {
            if min < max {
              alternatives.append(.longer(instruction: instruction, position: least, count: max - min))
            }
            position = least
          } else if let least {
            position = takeAll(set, atMost: max - min, from: least)
            if mode == .greedy, position > least {
              alternatives.append(.shorter(instruction: instruction, least: least, position: position))
            }
          } else {
            failed = true
          }
          instruction += 1
        case .fork(let first, let second):
          if note(instruction, position) {
            alternatives.append(.place(instruction: second, position: position))
            instruction = first
          } else {
            failed = true
          }
        case .jump(let next): instruction = next
        case .lookahead(let next, let isNegated):
          failed = (runApart(instruction + 1, position) != nil) == isNegated
          instruction = next
        case .atomic(let next):
          if let end = runApart(instruction + 1, position) {
            position = end
          } else {
            failed = true
          }
          instruction = next
        case .assertion(let assertion):
          failed = !holds(assertion, position)
          instruction += 1
        }
        if failed {
          guard let next = backtrack(&alternatives) else { return nil }
          (instruction, position) = next
        }
      }
    }

    /// A part that never gives back; it has its own notes, because what follows it differs.
    private mutating func runApart(_ instruction: Int, _ position: Int) -> Int? {
      let outer = visited
      visited = []
      defer { visited = outer }
      return run(instruction, position)
    }

    /// Takes the latest alternative and leaves what remains of it.
    private mutating func backtrack(_ alternatives: inout [Alternative]) -> (Int, Int)? {
      while let alternative = alternatives.popLast() {
        switch alternative {
        case .place(let instruction, let position): return (instruction, position)
        case .shorter(let instruction, let least, let position):
          let shorter = UTF8Text.start(ofScalarBefore: position, in: text)
          if shorter > least {
            alternatives.append(.shorter(instruction: instruction, least: least, position: shorter))
          }
          if note(instruction, shorter) { return (instruction + 1, shorter) }
        case .longer(let instruction, let position, let count):
          guard case .run(let set, _, _, _) = program[instruction],
            let longer = take(set, count: 1, from: position)
          else { continue }
          if count > 1 {
            alternatives.append(.longer(instruction: instruction, position: longer, count: count - 1))
          }
          if note(instruction, longer) { return (instruction + 1, longer) }
        }
        steps += 1
        budget -= 1
        if budget <= 0 { return nil }
      }
      return nil
    }

    /// False when the interpreter has been here before, so that going on would fail again.
    private mutating func note(_ instruction: Int, _ position: Int) -> Bool {
      if steps < Self.freeSteps { return true }
      if visited.count >= Self.noteLimit {
        budget = 0
        return false
      }
      return visited.insert(UInt64(instruction) << 40 | UInt64(position - range.lowerBound)).inserted
    }

    private func take(_ set: Int, count: Int, from start: Int) -> Int? {
      var position = start
      for _ in 0..<count {
        guard position < range.upperBound else { return nil }
        let (value, length) = UTF8Text.scalar(text, at: position)
        guard sets[set].contains(value) else { return nil }
        position += length
      }
      return position
    }

    private mutating func takeAll(_ set: Int, atMost limit: Int, from start: Int) -> Int {
      var position = start
      var count = 0
      while count < limit, position < range.upperBound {
        let (value, length) = UTF8Text.scalar(text, at: position)
        guard sets[set].contains(value) else { break }
        position += length
        count += 1
      }
      budget -= count
      return position
    }

    private func holds(_ assertion: ExpressionNode.Assertion, _ position: Int) -> Bool {
      switch assertion {
      case .textStart: position == range.lowerBound
      case .textEnd: position == range.upperBound
      case .textEndOrLastLineEnd:
        position == range.upperBound || (position == range.upperBound - 1 && text[position] == 0x0A)
      case .lineStart:
        // Not behind a line feed that ends the text.
        position == range.lowerBound || (text[position - 1] == 0x0A && position < range.upperBound)
      case .lineEnd: position == range.upperBound || text[position] == 0x0A
      case .wordBoundary: isWord(before: position) != isWord(at: position)
      case .notWordBoundary: isWord(before: position) == isWord(at: position)
      }
    }

    private func isWord(at position: Int) -> Bool {
      guard position < range.upperBound else { return false }
      return ScalarClassTable.shared[UTF8Text.scalar(text, at: position).value].contains(.word)
    }

    private func isWord(before position: Int) -> Bool {
      guard position > range.lowerBound else { return false }
      return isWord(at: UTF8Text.start(ofScalarBefore: position, in: text))
    }
  }
}
