public import BlockwiseFiles
public import BlockwiseModels
import Foundation

/// Chooses the next token of a sequence from the logits of a row.
///
/// The steps and their order are those of ``SamplingOptions``. The draw inverts the cumulative distribution over the
/// surviving tokens in the order of their ids, with a number that depends on seed, choice and position alone.
///
/// A sampler owns scratch memory of the size of the vocabulary, so keep one per sequence; a copy is independent.
public struct Sampler: Sendable {
  /// What was asked for.
  public let options: SamplingOptions
  /// Logits of a row.
  public let vocabularyCount: Int
  /// Tokens that can be chosen: rows of the head beyond the tokenizer's vocabulary are padding.
  public let vocabularyLimit: Int

  private let finiteBiases: [TokenLogProbability]
  /// Tokens of bias +∞, ascending.
  private let forcedTokens: [TokenID]

  private var candidates = CandidateSet()
  private var edits: [(index: Int, original: Float)] = []
  /// How often a token occurs in the penalty window; all zero between calls.
  private var occurrences: [Int32] = []

  /// Prepares a sampler.
  /// - Parameters:
  ///   - options: checked here.
  ///   - vocabularyCount: logits of a row.
  ///   - vocabularyLimit: how many of them stand for tokens; by default all.
  /// - Throws: ``SamplingError/option(name:found:expected:)``.
  public init(
    options: SamplingOptions, vocabularyCount: Int, vocabularyLimit: Int? = nil
  ) throws(SamplingError) {
    let limit = vocabularyLimit ?? vocabularyCount
    guard limit > 0, limit <= vocabularyCount else {
      throw .option(name: "vocabulary_limit", found: "\(limit)", expected: "1…\(vocabularyCount)")
    }
    try options.validate()
    let biases = options.logitBias.sorted { $0.key < $1.key }
    if let (token, _) = biases.last, token.index >= limit {
      throw .option(name: "logit_bias token", found: "\(token)", expected: "an id below \(limit)")
    }
    self.options = options
    self.vocabularyCount = vocabularyCount
    self.vocabularyLimit = limit
    finiteBiases = biases.filter { $0.value < .infinity }
      .map { TokenLogProbability(token: $0.key, logProbability: $0.value) }
    forcedTokens = biases.filter { $0.value == .infinity }.map(\.key)
  }

  /// Chooses the token of a position.
  ///
  /// - Parameters:
  ///   - logits: f32 `[vocabularyCount]`; −∞ is allowed. Changed during the call and restored before it returns.
  ///   - history: the tokens before the position, prompt included, for the penalties.
  ///   - position: absolute position of the token that is chosen; it selects the random number.
  ///   - choice: which of several answers to one prompt.
  ///   - mask: the tokens that a constraint allows; nil allows all.
  ///   - statistics: those of the row, over all tokens that can be chosen, where the pass has reduced them already.
  /// - Throws: ``SamplingError/nothingAllowed(position:)``, ``SamplingError/nonFiniteLogits(position:token:found:)``.
  /// - Complexity: O(vocabulary); nothing is sorted but the few candidates that top-k or top-p keep. With statistics the
  ///   most likely token costs nothing where no bias or penalty has changed the row.
  public mutating func sample(
    logits: UnsafeMutableBufferPointer<Float>, history: [TokenID] = [], position: Int, choice: Int = 0,
    mask: TokenMask? = nil, statistics: RowStatistics? = nil
  ) throws(SamplingError) -> SampledToken {
    let row = try checkedRow(logits, statistics: statistics, position: position)
    let normaliser = row.normaliser
    let top = mostLikely(row.values, normaliser: normaliser)

    let token: TokenID
    do {
      edit(logits, history: history)
      defer { restore(logits) }
      if options.isGreedy {
        let isUnchanged = edits.isEmpty && mask == nil && forcedTokens.isEmpty
        guard let best = isUnchanged ? row.top : mostLikelyAllowed(row.values, mask: mask) else {
          throw .nothingAllowed(position: position)
        }
        token = best
      } else {
        try gather(row.values, mask: mask, position: position)
        let stream = CounterRandom(seed: options.seed, choice: UInt32(truncatingIfNeeded: choice))
        token = candidates.draw(stream.uniform(position: position, purpose: .token))
      }
    }
    return SampledToken(
      token: token, logProbability: logits[token.index] - normaliser, topLogProbabilities: top)
  }

  /// The distribution that ``sample(logits:history:position:choice:mask:)`` draws from: every token that can be
  /// chosen with its probability, in the order of the ids. Acceptance rules that compare distributions need it.
  ///
  /// - Throws: as ``sample(logits:history:position:choice:mask:)``.
  public mutating func distribution(
    logits: UnsafeMutableBufferPointer<Float>, history: [TokenID] = [], position: Int, mask: TokenMask? = nil
  ) throws(SamplingError) -> [(token: TokenID, probability: Float)] {
    let row = try checkedRow(logits, statistics: nil, position: position)
    edit(logits, history: history)
    defer { restore(logits) }
    if options.isGreedy {
      guard let best = mostLikelyAllowed(row.values, mask: mask) else {
        throw .nothingAllowed(position: position)
      }
      return [(best, 1)]
    }
    try gather(row.values, mask: mask, position: position)
    return candidates.probabilities
  }

  /// A token that something else has chosen, with what the model thinks of it; see ``SampledToken``.
  public mutating func describe(
    _ token: TokenID, logits: UnsafeMutableBufferPointer<Float>, position: Int,
    statistics: RowStatistics? = nil
  ) throws(SamplingError) -> SampledToken {
    let row = try checkedRow(logits, statistics: statistics, position: position)
    return SampledToken(
      token: token, logProbability: logits[token.index] - row.normaliser,
      topLogProbabilities: mostLikely(row.values, normaliser: row.normaliser))
  }

  // MARK: - Steps

  private struct Row {
    let values: UnsafeBufferPointer<Float>
    let top: TokenID?
    /// `log Σ exp(logit)`.
    let normaliser: Float
  }

  private func checkedRow(
    _ logits: UnsafeMutableBufferPointer<Float>, statistics: RowStatistics?, position: Int
  ) throws(SamplingError) -> Row {
    precondition(
      logits.count == vocabularyCount, "\(logits.count) logits of a vocabulary of \(vocabularyCount)")
    let values = UnsafeBufferPointer(rebasing: logits[..<vocabularyLimit])
    if let statistics, statistics.topLogit.isFinite {
      return Row(values: values, top: statistics.top, normaliser: statistics.logSumExp)
    }
    guard let maximum = LogitArithmetic.maximum(values) else {
      let token = values.firstIndex { $0.isNaN || $0 == .infinity } ?? 0
      throw .nonFiniteLogits(position: position, token: TokenID(token), found: "\(values[token])")
    }
    guard maximum > -.infinity else { throw .nothingAllowed(position: position) }
    return Row(
      values: values, top: LogitArithmetic.argMaximum(values).map { TokenID($0) },
      normaliser: maximum + Float(log(LogitArithmetic.exponentialSum(values, maximum: maximum))))
  }

  /// Applies biases, then the repetition penalty, then the frequency and presence penalties, and remembers what it
  /// changed: only a few entries of the row.
  private mutating func edit(_ logits: UnsafeMutableBufferPointer<Float>, history: [TokenID]) {
    edits.removeAll(keepingCapacity: true)
    for bias in finiteBiases {
      change(logits, bias.token.index) { $0 + bias.logProbability }
    }
    let window = history.suffix(options.penaltyWindow ?? history.count)
    guard options.repetitionPenalty != 1 || options.presencePenalty != 0 || options.frequencyPenalty != 0,
      !window.isEmpty
    else { return }
    if occurrences.isEmpty { occurrences = Array(repeating: 0, count: vocabularyLimit) }
    // A history may hold ids without a row, such as placeholders of embedded images.
    func isToken(_ token: TokenID) -> Bool { token >= 0 && token.index < vocabularyLimit }
    for token in window where isToken(token) { occurrences[token.index] += 1 }
    let (repetition, presence, frequency) =
      (options.repetitionPenalty, options.presencePenalty, options.frequencyPenalty)
    for token in window where isToken(token) && occurrences[token.index] > 0 {
      let count = Float(occurrences[token.index])
      occurrences[token.index] = 0
      change(logits, token.index) {
        ($0 > 0 ? $0 / repetition : $0 * repetition) - count * frequency - presence
      }
    }
  }

  private mutating func change(
    _ logits: UnsafeMutableBufferPointer<Float>, _ index: Int, _ body: (Float) -> Float
  ) {
    edits.append((index, logits[index]))
    // Extreme options must not turn a logit into +∞ or NaN; −∞ stays what it is.
    let changed = body(logits[index])
    logits[index] = logits[index] == -.infinity ? -.infinity : min(changed, .greatestFiniteMagnitude)
  }

  private mutating func restore(_ logits: UnsafeMutableBufferPointer<Float>) {
    for edit in edits.reversed() { logits[edit.index] = edit.original }
  }

  private func mostLikely(_ values: UnsafeBufferPointer<Float>, normaliser: Float) -> [TokenLogProbability] {
    guard options.topLogProbabilityCount > 0 else { return [] }
    var best = TopCandidates(capacity: min(options.topLogProbabilityCount, values.count))
    for index in values.indices { best.offer(values[index], id: Int32(index)) }
    return best.descending().filter { $0.value > -.infinity }
      .map { TokenLogProbability(token: TokenID($0.id), logProbability: $0.value - normaliser) }
  }

  private func mostLikelyAllowed(_ values: UnsafeBufferPointer<Float>, mask: TokenMask?) -> TokenID? {
    if mask == nil, forcedTokens.isEmpty { return LogitArithmetic.argMaximum(values).map { TokenID($0) } }
    var best: (value: Float, token: TokenID)?
    forEachAllowed(values, mask: mask) { value, id in
      if value > best?.value ?? -.infinity { best = (value, TokenID(id)) }
    }
    return best?.token
  }

  /// Fills the candidates with the weights that survive temperature, top-k, top-p and min-p.
  private mutating func gather(
    _ values: UnsafeBufferPointer<Float>, mask: TokenMask?, position: Int
  ) throws(SamplingError) {
    candidates.removeAll(capacity: values.count)
    if let topK = options.topK, topK < values.count {
      var best = TopCandidates(capacity: topK)
      forEachAllowed(values, mask: mask) { value, id in best.offer(value, id: id) }
      candidates.append(best)
    } else {
      var gathered = candidates
      candidates = CandidateSet()
      forEachAllowed(values, mask: mask) { value, id in gathered.append(value, id: id) }
      candidates = gathered
    }
    guard candidates.formWeights(temperature: options.temperature) else {
      throw .nothingAllowed(position: position)
    }
    if options.topP < 1 { candidates.keepNucleus(of: options.topP) }
    if options.minP > 0 { candidates.keep(from: options.minP) }
  }

  /// Calls `body` with every token that mask, bans and forcing biases leave, in ascending order.
  @inline(__always)
  private func forEachAllowed(
    _ values: UnsafeBufferPointer<Float>, mask: TokenMask?, _ body: (Float, Int32) -> Void
  ) {
    if !forcedTokens.isEmpty {
      for token in forcedTokens where mask?.contains(token) ?? true {
        if values[token.index] > -.infinity { body(values[token.index], token.rawValue) }
      }
    } else if let mask {
      mask.forEach { token in
        if token.index < values.count, values[token.index] > -.infinity {
          body(values[token.index], token.rawValue)
        }
      }
    } else {
      for index in values.indices where values[index] > -.infinity { body(values[index], Int32(index)) }
    }
  }
}
