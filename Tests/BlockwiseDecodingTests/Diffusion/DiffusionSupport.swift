import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import Foundation
import Synchronization

/// A model that remembers the rows of its passes.
final class RecordingModel: BlockModel {
  let model: any BlockModel
  private let recorded = Mutex<[BlockPlan]>([])

  init(_ model: any BlockModel) { self.model = model }

  var traits: ModelTraits { model.traits }
  var plans: [BlockPlan] { recorded.withLock { $0 } }
  func makeCache(contextLength: Int?) throws -> CacheHandle {
    try model.makeCache(contextLength: contextLength)
  }
  func forward(_ batch: [SequencePass], into result: BlockResultBuffer) async throws {
    recorded.withLock { $0 += batch.map(\.plan) }
    try await model.forward(batch, into: result)
  }
}

/// What a diffusion generation gave.
struct DiffusionOutcome: Equatable {
  var tokens: [TokenID]
  var logProbabilities: [Float]
  var reason: FinishReason
  var statistics: GenerationStatistics

  static func == (a: DiffusionOutcome, b: DiffusionOutcome) -> Bool {
    a.tokens == b.tokens && a.reason == b.reason
  }
}

extension DenoiseRecipe {
  /// A recipe for tests: blocks of 8, one token a pass, nothing cached unless the text says otherwise.
  static func test(_ text: String, cache: any CachePolicy = NoCache()) throws -> DenoiseRecipe {
    try DenoiseRecipe(
      text,
      defaults: DenoiseRecipe(block: FixedBlocks(8), commit: QuotaCommit(), cache: cache, stop: BudgetStop()))
  }
}

/// Fills a canvas.
func denoise(
  _ model: any BlockModel, _ recipe: DenoiseRecipe, prompt: [TokenID], canvas: [TokenID?],
  stopTokens: Set<TokenID> = [], sampling: SamplingOptions = SamplingOptions(), delimiters: Set<TokenID> = [],
  cache: CacheHandle? = nil, preview: ([TokenID]) -> Void = { _ in }
) async throws -> DiffusionOutcome {
  let decoder = try DiffusionDecoder(
    model: model,
    options: DiffusionOptions(
      recipe: recipe, stopTokens: stopTokens, sampling: sampling, delimiters: delimiters))
  var tokens: [SampledToken] = []
  let (reason, statistics) = try await decoder.generate(
    prompt: prompt, canvas: canvas, cache: try cache ?? model.makeCache(), preview: preview
  ) { token in
    tokens.append(token)
    return true
  }
  return DiffusionOutcome(
    tokens: tokens.map(\.token), logProbabilities: tokens.map(\.logProbability), reason: reason,
    statistics: statistics)
}

/// The same for `count` unknown slots.
func denoise(
  _ model: any BlockModel, _ recipe: DenoiseRecipe, prompt: [TokenID], count: Int,
  stopTokens: Set<TokenID> = [], sampling: SamplingOptions = SamplingOptions(), delimiters: Set<TokenID> = []
) async throws -> DiffusionOutcome {
  try await denoise(
    model, recipe, prompt: prompt, canvas: Array(repeating: nil, count: count), stopTokens: stopTokens,
    sampling: sampling, delimiters: delimiters)
}

/// A table model whose distributions depend on everything a row sees, pseudo-randomly: for identities between paths.
func scrambledModel(
  seed: UInt64, vocabularyCount: Int = 12, sharpness: Float = 3,
  alignment: ModelTraits.LogitAlignment, contextMask: ModelTraits.ContextMask
) -> TableModel {
  let mask = TokenID(vocabularyCount - 1)
  return TableModel(
    vocabularyCount: vocabularyCount, contextLength: 256, maskToken: mask, logitAlignment: alignment,
    contextMask: contextMask
  ) { position, seen in
    var hash = seed &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(position)
    for (place, token) in seen {
      hash = (hash ^ UInt64(place * 131 + Int(token.rawValue) + 1)) &* 0x0100_0000_01B3
      hash ^= hash >> 29
    }
    var random = SplitMix(seed: hash)
    return (0..<vocabularyCount).map { _ in Float.random(in: 0..<sharpness, using: &random) }
  }
}

/// A denoiser whose valid outputs are listed: its marginals are exact given the tokens that are decided, and
/// unconditioned where those fit no output.
struct ToyDenoiser {
  /// All valid outputs, equally likely.
  let outputs: [[Int]]
  let model: TableModel
  let prompt: [TokenID]
  var count: Int { outputs[0].count }

  init(_ outputs: [[Int]]) {
    let symbols = (outputs.flatMap(\.self).max() ?? 0) + 1
    self.outputs = outputs
    prompt = [TokenID(symbols)]
    let mask = TokenID(symbols + 1)
    model = TableModel(
      vocabularyCount: symbols + 2, maskToken: mask, logitAlignment: .same, contextMask: .bidirectional
    ) { position, seen in
      let known = seen.filter { $0.position > 0 && $0.token != mask }
      var fitting = outputs.filter { output in
        known.allSatisfy { output[$0.position - 1] == Int($0.token.rawValue) }
      }
      if fitting.isEmpty { fitting = outputs }
      var counts = [Float](repeating: 0, count: symbols + 2)
      for output in fitting where position > 0 { counts[output[position - 1]] += 1 }
      if position == 0 { counts[0] = 1 }
      let total = counts.reduce(0, +)
      return counts.map { $0 > 0 ? Float(Foundation.log(Double($0 / total))) : -.infinity }
    }
  }

  func isValid(_ tokens: [TokenID]) -> Bool { outputs.contains(tokens.map { Int($0.rawValue) }) }

  // MARK: Tasks of ParallelBench with one token per item

  static func copy(_ n: Int) -> ToyDenoiser { ToyDenoiser([Array(0..<n)]) }

  static func replace(_ n: Int) -> ToyDenoiser {
    ToyDenoiser((0..<n).map { place in (0..<n).map { $0 == place ? n : $0 } })
  }

  static func remove(_ n: Int) -> ToyDenoiser {
    ToyDenoiser((0..<n).map { place in (0..<n).filter { $0 != place } })
  }

  static func insert(_ n: Int) -> ToyDenoiser {
    ToyDenoiser(
      (0...n).map { place in
        var list = Array(0..<n)
        list.insert(n, at: place)
        return list
      })
  }

  static func shuffle(_ n: Int, allowsIdentity: Bool = false) -> ToyDenoiser {
    ToyDenoiser(permutations(n).filter { allowsIdentity || $0 != Array(0..<n) })
  }

  static let latinSquare: ToyDenoiser = {
    let rows = permutations(4)
    var squares: [[[Int]]] = [[]]
    for _ in 0..<4 {
      squares = squares.flatMap { square in
        rows.filter { row in square.allSatisfy { other in zip(row, other).allSatisfy { $0 != $1 } } }
          .map { square + [$0] }
      }
    }
    return ToyDenoiser(squares.map { $0.flatMap(\.self) })
  }()

  /// The 288 grids of 4 by 4 cells: Latin squares whose four boxes hold every symbol too.
  static let sudoku: ToyDenoiser = {
    ToyDenoiser(
      latinSquare.outputs.filter { grid in
        [0, 2, 8, 10].allSatisfy { corner in
          Set([0, 1, 4, 5].map { grid[corner + $0] }).count == 4
        }
      })
  }()

  static func permutations(_ n: Int) -> [[Int]] {
    guard n > 0 else { return [[]] }
    return permutations(n - 1).flatMap { shorter in
      (0...shorter.count).map { place in
        var longer = shorter
        longer.insert(n - 1, at: place)
        return longer
      }
    }
  }
}

/// A denoiser of a chain of two states that keeps its state with a probability: every marginal, given the nearest decided
/// positions, is exact.
func chainDenoiser(stay: Double) -> TableModel {
  let (prompt, mask): (TokenID, TokenID) = (2, 3)
  /// The probability of equal states so many steps apart.
  @Sendable func same(_ steps: Int) -> Double { (1 + Foundation.pow(2 * stay - 1, Double(steps))) / 2 }
  return TableModel(vocabularyCount: 4, maskToken: mask, logitAlignment: .same, contextMask: .bidirectional) {
    position, seen in
    let known = seen.filter { $0.token != mask && $0.token != prompt }
    let left = known.last { $0.position < position }
    let right = known.first { $0.position > position }
    let weights = (0..<2).map { state -> Double in
      [left, right].compactMap(\.self).reduce(0.5) { weight, other in
        let share = same(abs(other.position - position))
        return weight * (Int(other.token.rawValue) == state ? share : 1 - share)
      }
    }
    return weights.map { Float(Foundation.log($0 / weights.reduce(0, +))) } + [-.infinity, -.infinity]
  }
}
