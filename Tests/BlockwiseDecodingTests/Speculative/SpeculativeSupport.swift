import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import Foundation

/// A model whose logits are a hash of the last few tokens: no two contexts agree, so that a wrong row is seen at once.
func hashedModel(
  vocabularyCount: Int = 12, order: Int = 3, seed: UInt64 = 1, contextLength: Int = 96, sharpness: Float = 3
) -> TableModel {
  TableModel(vocabularyCount: vocabularyCount, contextLength: contextLength) { position, seen in
    var state = seed &+ UInt64(position % 5)
    for entry in seen.suffix(order) {
      state = (state ^ UInt64(UInt32(bitPattern: entry.token.rawValue))) &* 0x9E37_79B9_7F4A_7C15
      state ^= state >> 29
    }
    var random = TestRandom(seed: state)
    // A few tokens are likely, so that guesses can be right.
    return (0..<vocabularyCount).map { _ in Float.random(in: -1...1, using: &random) * sharpness }
  }
}

/// Guesses anything: random trees, some of them along what the model will say.
struct RandomSource: DraftSource {
  var random: TestRandom
  var vocabularyCount: Int
  var truth: [TokenID]
  var wantedTopCount: Int { 2 }

  mutating func propose(_ context: DraftContext) -> TokenTree {
    var tree = TokenTree()
    let count = Int.random(in: 0...20, using: &random)
    for _ in 0..<count {
      let parent = Int.random(in: -1..<max(0, tree.count), using: &random)
      let depth = parent < 0 ? 1 : tree.nodes[parent].depth + 1
      let place = context.tokens.count + depth - 1
      let token: TokenID =
        Bool.random(using: &random) && place < truth.count
        ? truth[place] : TokenID(Int.random(in: 0..<vocabularyCount, using: &random))
      // Guesses may be too many, too deep, and no tokens at all.
      let wild = Int.random(in: 0..<40, using: &random) == 0
      tree.insert(
        wild ? TokenID(vocabularyCount + 3) : token, parent: parent,
        confidence: Float.random(in: 0...1, using: &random))
    }
    return tree
  }
}

/// What a decoder gave.
struct Decoded: Equatable {
  var tokens: [TokenID] = []
  var logProbabilities: [Float] = []
  var reason: FinishReason?
  var endToken: TokenID?
  var cached: [TokenID] = []
  var committedCount = 0
}

extension Decoded {
  static func plain(
    _ model: any BlockModel, prompt: [TokenID], _ options: AutoregressiveOptions, until limit: Int = .max
  ) async throws -> Decoded {
    var decoded = Decoded()
    let cache = try model.makeCache()
    let decoder = try AutoregressiveDecoder(model: model, options: options)
    let (reason, statistics) = try await decoder.generate(prompt: prompt, cache: cache) { token in
      decoded.tokens.append(token.token)
      decoded.logProbabilities.append(token.logProbability)
      return decoded.tokens.count < limit
    }
    decoded.reason = reason
    decoded.endToken = statistics.endToken
    decoded.cached = try cache.committedTokens
    decoded.committedCount = statistics.committedCount
    return decoded
  }

  static func speculative(
    _ model: any BlockModel, prompt: [TokenID], _ options: SpeculativeOptions, until limit: Int = .max
  ) async throws -> (Decoded, GenerationStatistics) {
    var decoded = Decoded()
    let cache = try model.makeCache()
    let decoder = try SpeculativeDecoder(model: model, options: options)
    let (reason, statistics) = try await decoder.generate(prompt: prompt, cache: cache) { token in
      decoded.tokens.append(token.token)
      decoded.logProbabilities.append(token.logProbability)
      return decoded.tokens.count < limit
    }
    decoded.reason = reason
    decoded.endToken = statistics.endToken
    decoded.cached = try cache.committedTokens
    decoded.committedCount = statistics.committedCount
    return (decoded, statistics)
  }
}

/// Passes that cost almost nothing more for more rows, and so much that the time of guessing is nothing beside them, however slow
/// the machine and the build are.
let flatCosts = CostCurve([
  CostCurve.Point(rowCount: 1, milliseconds: 10_000), CostCurve.Point(rowCount: 64, milliseconds: 10_010),
])

/// Tokens in which something repeats.
func repetitivePrompt(_ random: inout TestRandom, vocabularyCount: Int, count: Int) -> [TokenID] {
  let phrase = (0..<5).map { _ in TokenID(Int.random(in: 0..<vocabularyCount, using: &random)) }
  return (0..<count).map { index in
    Int.random(in: 0..<6, using: &random) == 0
      ? TokenID(Int.random(in: 0..<vocabularyCount, using: &random)) : phrase[index % 5]
  }
}

/// Whether counts can come from these probabilities: χ² against its mean and spread, five of the latter.
func agrees(_ counts: [Int], with probabilities: [Double]) -> Bool {
  let total = Double(counts.reduce(0, +))
  var statistic = 0.0
  var freedom = -1.0
  for (count, probability) in zip(counts, probabilities) {
    guard probability > 0 else {
      if count > 0 { return false }
      continue
    }
    let expected = total * probability
    statistic += (Double(count) - expected) * (Double(count) - expected) / expected
    freedom += 1
  }
  // Wilson and Hilferty: the cube root of χ²/k is nearly normal. 2.33 is p = 0.01.
  guard freedom > 0 else { return true }
  let z = (pow(statistic / freedom, 1 / 3) - (1 - 2 / (9 * freedom))) / (2 / (9 * freedom)).squareRoot()
  return z < 2.33
}
