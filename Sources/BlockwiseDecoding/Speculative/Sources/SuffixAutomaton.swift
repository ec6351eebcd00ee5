internal import BlockwiseFiles

/// The automaton of all substrings of a growing sequence (Blumer et al. 1985): it finds the longest end of a text that
/// occurs in the sequence, one step per token.
struct SuffixAutomaton: Sendable {
  /// A place in the automaton: the longest end of what was read that occurs in the sequence.
  struct Match: Sendable, Hashable {
    var state = 0
    /// Tokens of it.
    var length = 0
  }

  /// Suffix link of every state; −1 for the start.
  private var link: [Int32] = [-1]
  /// Tokens of the longest substring of every state.
  private var length: [Int32] = [0]
  /// Where substrings of a state ended last, and the time before: the index of the token behind; −1 for never.
  private var lastEnd: [Int32] = [-1]
  private var earlierEnd: [Int32] = [-1]
  /// Edges of a state form a list, so that a state can be copied; they are found by key.
  private var firstEdge: [Int32] = [-1]
  private var edges: [(token: TokenID, next: Int32)] = []
  private var targets: [UInt64: Int32] = [:]
  private var last: Int32 = 0
  /// The sequence.
  private(set) var tokens: [TokenID] = []

  /// Most states whose places are renewed with a token: ends that are longer than so many steps of links keep older places,
  /// which only makes guesses older.
  private static let renewalLimit = 64

  private func key(_ state: Int32, _ token: TokenID) -> UInt64 {
    UInt64(UInt32(bitPattern: state)) << 32 | UInt64(UInt32(bitPattern: token.rawValue))
  }

  private mutating func setEdge(_ state: Int32, _ token: TokenID, to target: Int32) {
    if targets.updateValue(target, forKey: key(state, token)) == nil {
      edges.append((token, firstEdge[Int(state)]))
      firstEdge[Int(state)] = Int32(edges.count - 1)
    }
  }

  private mutating func addState(length: Int32) -> Int32 {
    link.append(-1)
    self.length.append(length)
    lastEnd.append(-1)
    earlierEnd.append(-1)
    firstEdge.append(-1)
    return Int32(link.count - 1)
  }

  /// Takes a token into the sequence.
  mutating func append(_ token: TokenID) {
    tokens.append(token)
    let new = addState(length: length[Int(last)] + 1)
    var state = last
    while state >= 0, targets[key(state, token)] == nil {
      setEdge(state, token, to: new)
      state = link[Int(state)]
    }
    if state < 0 {
      link[Int(new)] = 0
    } else if let target = targets[key(state, token)] {
      link[Int(new)] =
        length[Int(target)] == length[Int(state)] + 1 ? target : split(target, from: state, by: token)
    }
    last = new
    var renewed = new
    for _ in 0..<Self.renewalLimit where renewed > 0 {
      earlierEnd[Int(renewed)] = lastEnd[Int(renewed)]
      lastEnd[Int(renewed)] = Int32(tokens.count)
      renewed = link[Int(renewed)]
    }
  }

  /// Gives the shorter substrings of a state one of their own.
  private mutating func split(_ target: Int32, from state: Int32, by token: TokenID) -> Int32 {
    let copy = addState(length: length[Int(state)] + 1)
    var edge = firstEdge[Int(target)]
    while edge >= 0 {
      let (token, next) = edges[Int(edge)]
      if let end = targets[key(target, token)] { setEdge(copy, token, to: end) }
      edge = next
    }
    link[Int(copy)] = link[Int(target)]
    lastEnd[Int(copy)] = lastEnd[Int(target)]
    earlierEnd[Int(copy)] = earlierEnd[Int(target)]
    link[Int(target)] = copy
    var state = state
    while state >= 0, targets[key(state, token)] == target {
      setEdge(state, token, to: copy)
      state = link[Int(state)]
    }
    return copy
  }

  /// The match when one more token is read.
  func advance(_ match: Match, by token: TokenID) -> Match {
    var state = Int32(match.state)
    var count = match.length
    while state >= 0 {
      if let target = targets[key(state, token)] { return Match(state: Int(target), length: count + 1) }
      state = link[Int(state)]
      if state >= 0 { count = Int(length[Int(state)]) }
    }
    return Match()
  }

  /// The same match in an automaton that has grown: a state may have been split.
  func settled(_ match: Match) -> Match {
    var match = match
    while link[match.state] >= 0, match.length <= Int(length[Int(link[match.state])]) {
      match.state = Int(link[match.state])
    }
    return match
  }

  /// Where the match occurred last before the end of the sequence: the index of the token behind it; nil where there is none.
  func place(of match: Match) -> Int? {
    guard match.length > 0 else { return nil }
    let end = Int(lastEnd[match.state])
    let place = end == tokens.count ? Int(earlierEnd[match.state]) : end
    return place > 0 && place < tokens.count ? place : nil
  }
}
