internal import BlockwiseFiles
internal import BlockwiseModels
import Foundation

/// Makes candidates of a pass's outputs: token choice is the shared sampler's, so that every option works with every recipe.
struct CandidateReader {
  /// What every pass is asked for, without its rows.
  let request: OutputRequest
  let needs: StatisticNeeds
  private let options: DiffusionOptions
  private let vocabularyCount: Int
  private let readsLogits: Bool
  private var sampler: Sampler
  /// Every token that may stand in an answer, and those that do not end it.
  private let all: TokenMask
  private let withoutEnds: TokenMask
  /// Ends are drawn from this position on.
  private let endsFrom: Int
  /// Log-probabilities of the pass before, by position of the open block.
  private var previous: [Int: [Float]] = [:]
  private var divergences: [Int: [Float]] = [:]

  init(
    options: DiffusionOptions, traits: ModelTraits, mask: TokenID, needs: StatisticNeeds, endsFrom: Int,
    needsShadows: Bool
  ) throws {
    self.options = options
    self.needs = needs
    vocabularyCount = traits.vocabularyCount
    let limit = options.vocabularyLimit ?? vocabularyCount
    sampler = try Sampler(
      options: options.sampling, vocabularyCount: vocabularyCount, vocabularyLimit: limit)
    var allowed = TokenMask(vocabularyCount: vocabularyCount)
    for token in 0..<limit { allowed.insert(TokenID(token)) }
    if allowed.contains(mask) { allowed.remove(mask) }
    self.endsFrom = endsFrom
    all = allowed
    for token in options.stopTokens where allowed.contains(token) { allowed.remove(token) }
    withoutEnds = allowed
    let sampling = options.sampling
    // The most likely token needs no logits, unless something moves them.
    let isPlain =
      sampling.isGreedy && sampling.logitBias.isEmpty && sampling.repetitionPenalty == 1
      && sampling.presencePenalty == 0 && sampling.frequencyPenalty == 0
      && sampling.topLogProbabilityCount == 0
    readsLogits = !isPlain || needs.contains(.divergence) || needsShadows
    request = OutputRequest(rows: .none, detail: readsLogits ? .logits : .statistics, allowed: [all])
  }

  /// What is asked of the last row, which speaks of a position.
  func request(at position: Int) -> OutputRequest {
    var request = request
    request.allowed = allowed([position], shadowCount: 0)
    return request
  }

  /// The tokens that outputs may speak of: first those of positions, then those of shadows.
  func allowed(_ positions: [Int], shadowCount: Int) -> [TokenMask] {
    let early = positions.count { $0 < endsFrom }
    if early == 0 { return [all] }
    if early == positions.count, shadowCount == 0 { return [withoutEnds] }
    return positions.map { $0 < endsFrom ? withoutEnds : all } + Array(repeating: all, count: shadowCount)
  }

  /// Forgets what belongs to the block before.
  mutating func openBlock() {
    previous.removeAll(keepingCapacity: true)
    divergences.removeAll(keepingCapacity: true)
  }

  /// What outputs say of positions.
  mutating func candidates(
    _ positions: [Int], firstOutput: Int, tokens: [TokenID], isOpen: [Bool], promptCount: Int,
    _ result: BlockResultBuffer
  ) throws -> [Int: Candidate] {
    var found: [Int: Candidate] = [:]
    found.reserveCapacity(positions.count)
    let history = needsHistory ? tokens.indices.filter { !isOpen[$0] } : []
    for (index, position) in positions.enumerated() {
      let output = firstOutput + index
      let before = history.prefix { $0 < position }.map { tokens[$0] }
      var candidate = try candidate(output, position: position, history: before, result)
      if needs.contains(.divergence) { candidate.divergences = divergence(output, position, result) }
      found[position] = candidate
    }
    // Nobody asks again for what is decided.
    if needs.contains(.divergence) {
      previous = previous.filter { found[$0.key] != nil }
      divergences = divergences.filter { found[$0.key] != nil }
    }
    return found
  }

  /// What the last row of the context says of the position behind it.
  mutating func carried(at position: Int, tokens: [TokenID], _ result: BlockResultBuffer) throws -> Candidate
  {
    try candidate(0, position: position, history: needsHistory ? Array(tokens.prefix(position)) : [], result)
  }

  /// The probability that an output gives a token.
  func probability(of token: TokenID, output: Int, _ result: BlockResultBuffer) -> Float {
    let normaliser = result.statistics(output: output).logSumExp
    return result.withLogits(output: output) { exp($0[token.index] - normaliser) }
  }

  private var needsHistory: Bool {
    let sampling = options.sampling
    return sampling.repetitionPenalty != 1 || sampling.presencePenalty != 0 || sampling.frequencyPenalty != 0
  }

  private mutating func candidate(
    _ output: Int, position: Int, history: [TokenID], _ result: BlockResultBuffer
  ) throws -> Candidate {
    let statistics = result.statistics(output: output)
    guard statistics.topLogit.isFinite else {
      guard statistics.topLogit == -.infinity else {
        throw SamplingError.nonFiniteLogits(
          position: position, token: statistics.top, found: "\(statistics.topLogit)")
      }
      throw SamplingError.nothingAllowed(position: position)
    }
    var candidate = Candidate(
      token: statistics.top, probability: statistics.topProbability, first: statistics.topProbability,
      second: statistics.secondProbability, entropy: statistics.entropy)
    guard !options.sampling.isGreedy || needsSampler else { return candidate }
    let sampled = try result.withLogits(output: output) { logits in
      try sampler.sample(
        logits: logits, history: history, position: position, choice: options.choice, statistics: statistics)
    }
    candidate.token = sampled.token
    candidate.probability = exp(sampled.logProbability)
    candidate.logProbability = sampled.logProbability
    candidate.alternatives = sampled.topLogProbabilities
    return candidate
  }

  private var needsSampler: Bool {
    needsHistory || !options.sampling.logitBias.isEmpty || options.sampling.topLogProbabilityCount > 0
  }

  /// The divergence from the pass before, and those of the passes before it, newest first.
  private mutating func divergence(_ output: Int, _ position: Int, _ result: BlockResultBuffer) -> [Float] {
    let normaliser = result.statistics(output: output).logSumExp
    let now = result.withLogits(output: output) { logits in logits.map { $0 - normaliser } }
    defer { previous[position] = now }
    guard let before = previous[position] else { return [] }
    var sum = 0.0
    for (new, old) in zip(now, before) where new > -.infinity {
      sum += exp(Double(new)) * (Double(new) - Double(old))
    }
    divergences[position, default: []].insert(Float(max(0, sum)), at: 0)
    return divergences[position] ?? []
  }
}
