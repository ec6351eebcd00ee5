import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import Testing

/// Balanced round and square brackets up to a depth. Tokens: 0 `(`, 1 `)`, 2 `[`, 3 `]`, 4 `()`, 5 `x`, 6 the end.
private struct BalancedBrackets: TokenConstraint {
  struct NotAllowed: Error { var token: TokenID }
  var depthLimit = 4
  var open: [Character] = []

  func isAllowed(_ token: TokenID) -> Bool {
    switch token.rawValue {
    case 0, 2: open.count < depthLimit
    case 1: open.last == "("
    case 3: open.last == "["
    case 4: open.count < depthLimit
    case 5: !open.isEmpty
    default: false
    }
  }

  mutating func advance(_ token: TokenID) throws {
    guard isAllowed(token) else { throw NotAllowed(token: token) }
    switch token.rawValue {
    case 0: open.append("(")
    case 2: open.append("[")
    case 1, 3: open.removeLast()
    default: break
    }
  }

  func allow(into mask: inout TokenMask) {
    mask.denyAll()
    for token in 0..<6 where isAllowed(TokenID(token)) { mask.insert(TokenID(token)) }
  }

  var isComplete: Bool { open.isEmpty }
  var mustStop: Bool { false }
}

@Suite struct TokenConstraintTests {
  static let texts = ["(", ")", "[", "]", "()", "x", ""]
  static let end: TokenID = 6

  /// Draws a text under the constraint from a model that says whatever it likes.
  private func generate(seed: UInt64, temperature: Float) throws -> (tokens: [TokenID], text: String) {
    var random = TestRandom(seed: seed)
    var constraint = BalancedBrackets()
    var sampler = try Sampler(
      options: SamplingOptions(temperature: temperature, topP: 0.95, seed: seed), vocabularyCount: 7)
    var mask = TokenMask(vocabularyCount: 7)
    var tokens: [TokenID] = []
    while tokens.count < 400 {
      constraint.allow(into: &mask)
      if constraint.isComplete { mask.insert(Self.end) }
      if tokens.count > 300 {
        // Close what is open, so that every text ends.
        var closing = TokenMask(vocabularyCount: 7)
        for token in [1, 3, 6] { closing.insert(TokenID(token)) }
        mask.formIntersection(closing)
      }
      let logits = random.logits(count: 7, spread: 3)
      let token = try sampler.sample(logits, history: tokens, position: tokens.count, mask: mask).token
      if token == Self.end { break }
      try constraint.advance(token)
      tokens.append(token)
    }
    return (tokens, tokens.map { Self.texts[$0.index] }.joined())
  }

  @Test(arguments: [0, Float(1.5)]) func `constrained text always balances`(temperature: Float) throws {
    for seed in UInt64(0)..<200 {
      let text = try generate(seed: seed, temperature: temperature).text
      var open: [Character] = []
      for character in text {
        switch character {
        case "(", "[": open.append(character)
        case ")": #expect(open.popLast() == "(", "seed \(seed): \(text)")
        case "]": #expect(open.popLast() == "[", "seed \(seed): \(text)")
        default: #expect(!open.isEmpty, "seed \(seed): \(text)")
        }
        #expect(open.count <= 5, "seed \(seed): \(text)")
      }
      #expect(open.isEmpty, "seed \(seed): \(text)")
    }
  }

  @Test func `a copy is a fork`() throws {
    var trunk = BalancedBrackets()
    try trunk.advance(0)
    var branch = trunk
    try branch.advance(1)
    #expect(branch.isComplete && !trunk.isComplete)
    #expect(throws: BalancedBrackets.NotAllowed.self) { try trunk.advance(3) }
    try trunk.advance(1)
    #expect(trunk.isComplete)
  }
}
