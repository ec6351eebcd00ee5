public import BlockwiseFiles
public import BlockwiseModels
internal import Foundation

/// A smaller model with the same vocabulary writes ahead (speculative decoding, arXiv 2211.17192 and 2302.01318).
///
/// For rules that compare tokens it draws with the same random numbers as the large model will, so that both choose the same
/// token whenever their distributions agree about where the number falls; the runner-up of every step is a guess as well. For
/// rules that judge by probabilities it draws siblings without replacement, by node or by beams over the whole tree
/// (recursive speculative decoding, arXiv 2402.14160).
public struct DraftModelSource: DraftSource {
  /// How it spends its passes.
  public enum Growth: Sendable, Hashable {
    /// One path of at most so many tokens, with the runners-up beside it.
    case chain(Int)
    /// So many siblings drawn behind every node of each depth.
    case branching([Int])
    /// Stochastic beam search: the best `width` of the perturbed paths at each of `depth` depths.
    case beams(width: Int, depth: Int)

    /// Tokens of the longest path.
    var depth: Int {
      switch self {
      case .chain(let depth), .beams(_, let depth): depth
      case .branching(let counts): counts.count
      }
    }
  }

  /// The draft model.
  let model: any BlockModel
  /// How it spends its passes.
  let growth: Growth
  private let cache: CacheHandle
  private let result = BlockResultBuffer()
  private let vocabularyLimit: Int
  /// What a step is thought to cost before it is measured.
  public let assumedStepCost: Double
  private var sampler: Sampler?

  /// A path that is less likely than this is not followed further.
  private static let leastChance: Float = 0.1
  /// A runner-up below this is no guess.
  private static let leastRunnerUp: Float = 0.05
  private static let prefillRowCount = 256

  /// A source with a cache of its own.
  /// - Parameters:
  ///   - contextLength: positions that the text can reach; beyond the draft model's own context it guesses nothing.
  ///   - vocabularyLimit: tokens that both models know.
  ///   - stepCost: what a step is thought to cost before it is measured, in passes of the large model over one row.
  /// - Throws: ``DecodingError/method(_:family:reason:)`` for a model that is not autoregressive.
  public init(
    model: any BlockModel, growth: Growth, contextLength: Int, vocabularyLimit: Int, stepCost: Double = 0.3
  ) throws {
    guard model.traits.isAutoregressive else {
      throw DecodingError.method(
        "drafting", family: model.traits.family, reason: "a draft model continues text from left to right")
    }
    self.model = model
    self.growth = growth
    self.vocabularyLimit = vocabularyLimit
    assumedStepCost = stepCost
    cache = try model.makeCache(contextLength: min(contextLength, model.traits.contextLength))
  }

  /// Yes.
  public var isCostly: Bool { true }
  /// Yes: the cache holds the text.
  public var isKept: Bool { true }
  /// Other options may draw otherwise; what the prompt shares with the cache is found when it is read.
  public mutating func resume(_ prompt: [TokenID], cachedCount: Int) { sampler = nil }

  /// What the cache lacks of all but the last token.
  public func unreadCount(_ tokens: [TokenID]) throws -> Int {
    guard canRead(tokens, ahead: 0), tokens.count > 1 else { return 0 }
    return tokens.count - 1 - Self.commonCount(try cache.committedTokens, tokens, limit: tokens.count - 1)
  }

  private static func commonCount(_ cached: [TokenID], _ tokens: [TokenID], limit: Int) -> Int {
    var count = 0
    while count < min(cached.count, limit), cached[count] == tokens[count] { count += 1 }
    return count
  }

  /// Reads all but the last token.
  public mutating func prepare(_ tokens: [TokenID]) async throws -> Int {
    guard canRead(tokens, ahead: 0), tokens.count > 1 else { return 0 }
    return try await read(Array(tokens.dropLast()), isWhole: false) ?? 0
  }

  /// A tree.
  public mutating func propose(_ context: DraftContext) async throws -> TokenTree {
    guard canRead(context.tokens, ahead: min(growth.depth, context.maximumDepth)) else { return TokenTree() }
    var sampler = try self.sampler ?? makeSampler(context.sampling)
    defer { self.sampler = sampler }
    guard try await read(context.tokens, isWhole: true) != nil else { return TokenTree() }
    switch growth {
    case .chain(let depth): return try await chain(context, depth: depth, &sampler)
    case .branching(let counts):
      return try await drawn(context, depth: counts.count, &sampler) { _, tree, level, distributions in
        for (node, distribution) in zip(level, distributions) {
          let depth = node < 0 ? 0 : tree.nodes[node].depth
          let drawn = Self.draw(counts[depth], of: distribution, behind: node, context, depth: depth)
          for token in drawn { tree.insert(token.token, parent: node, confidence: token.probability) }
        }
      }
    case .beams(let width, let depth):
      var beams = BeamSearch(width: width)
      return try await drawn(context, depth: depth, &sampler) { _, tree, level, distributions in
        beams.grow(&tree, level, distributions, context)
      }
    }
  }

  /// Whether the draft model knows the tokens and has room for them and so many more.
  private func canRead(_ tokens: [TokenID], ahead count: Int) -> Bool {
    tokens.count + count < cache.contextLength
      && tokens.allSatisfy { $0.index < model.traits.vocabularyCount }
  }

  /// Samples as the large model does, of the tokens that this one knows.
  private func makeSampler(_ sampling: SamplingOptions) throws -> Sampler {
    var options = sampling
    options.logitBias = options.logitBias.filter { $0.key.index < vocabularyLimit }
    return try Sampler(
      options: options, vocabularyCount: model.traits.vocabularyCount, vocabularyLimit: vocabularyLimit)
  }

  /// What a constraint allows of the tokens that this model knows.
  private func mask(_ context: DraftContext, behind path: [TokenID]) -> TokenMask? {
    context.allowed(behind: path, vocabularyCount: model.traits.vocabularyCount).map { allowed in
      var own = TokenMask(vocabularyCount: vocabularyLimit)
      own.formUnion(allowed)
      return own
    }
  }

  /// Brings the cache to the tokens.
  /// - Parameter isWhole: whether the last one's logits are wanted in the buffer, so that it is read in any case.
  /// - Returns: the rows that were read; nil where the task was cancelled.
  private func read(_ tokens: [TokenID], isWhole: Bool) async throws -> Int? {
    var done = Self.commonCount(
      try cache.committedTokens, tokens, limit: isWhole ? tokens.count - 1 : tokens.count)
    try cache.truncate(to: done)
    let count = tokens.count - done
    while done < tokens.count {
      if Task.isCancelled { return nil }
      let end = min(done + Self.prefillRowCount, tokens.count)
      let plan = BlockPlan(
        tokens: tokens[done..<end], at: done,
        outputs: OutputRequest(rows: isWhole && end == tokens.count ? .last : .none))
      try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
      done = end
    }
    return count
  }

  private func chain(_ context: DraftContext, depth: Int, _ sampler: inout Sampler) async throws -> TokenTree
  {
    var tree = TokenTree()
    var history = context.tokens
    var parent = -1
    var chance: Float = 1
    for step in 0..<min(depth, context.maximumDepth) {
      let path = Array(history[context.tokens.count...])
      let mask = mask(context, behind: path)
      if let mask, mask.isEmpty { break }
      let statistics = result.statistics(output: 0)
      // Where nothing can be chosen there is no guess.
      let choice = try? result.withLogits(output: 0) { logits in
        try sampler.sample(
          logits: logits, history: history, position: history.count, choice: context.choice, mask: mask,
          statistics: statistics)
      }
      guard let sampled = choice else { break }
      let probability = exp(min(0, sampled.logProbability))
      let before = parent
      parent = tree.insert(sampled.token, parent: before, confidence: min(0.999, probability))
      let (other, otherChance) =
        sampled.token == statistics.top
        ? (statistics.second, statistics.secondProbability) : (statistics.top, statistics.topProbability)
      if otherChance >= Self.leastRunnerUp, other != sampled.token, mask?.contains(other) ?? true {
        tree.insert(other, parent: before, confidence: min(0.999, otherChance))
      }
      chance *= probability
      history.append(sampled.token)
      if context.stopTokens.contains(sampled.token) || chance < Self.leastChance { break }
      if step + 1 == min(depth, context.maximumDepth) { break }
      let plan = BlockPlan(
        tokens: CollectionOfOne(sampled.token), at: history.count - 1, outputs: OutputRequest(rows: .last))
      try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
    }
    return tree
  }

  /// Grows a tree of drawn siblings level by level; all of it is evaluated again for every level, because a row sees
  /// its ancestors only inside of one pass.
  private func drawn(
    _ context: DraftContext, depth: Int, _ sampler: inout Sampler,
    grow: (Int, inout TokenTree, [Int], [DraftDistribution]) -> Void
  ) async throws -> TokenTree {
    var tree = TokenTree()
    var level = [-1]
    for step in 0..<min(depth, context.maximumDepth) {
      var distributions: [DraftDistribution] = []
      var parents: [Int] = []
      for (output, node) in level.enumerated() {
        let path = tree.path(to: node)
        if let last = path.last, context.stopTokens.contains(last) { continue }
        let mask = mask(context, behind: path)
        if let mask, mask.isEmpty { continue }
        let history = context.tokens + path
        let found = try? result.withLogits(output: output) { logits in
          try sampler.distribution(logits: logits, history: history, position: history.count, mask: mask)
        }
        guard let pairs = found else { continue }
        parents.append(node)
        distributions.append(DraftDistribution(pairs.filter { $0.probability > 0 }))
      }
      let first = tree.count
      grow(step, &tree, parents, distributions)
      for (node, distribution) in zip(parents, distributions) where !tree.children(of: node).isEmpty {
        tree.setDraws(distribution, of: node)
      }
      level = Array(first..<tree.count)
      if level.isEmpty || step + 1 == min(depth, context.maximumDepth) { break }
      let plan = BlockPlan(
        tree: tree.nodes.map(\.token), parents: tree.nodes.map(\.parent), prefixLength: context.tokens.count,
        outputs: OutputRequest(rows: .some(level)))
      try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
    }
    return tree
  }

  /// Draws siblings one after the other, each from what the ones before have left.
  private static func draw(
    _ count: Int, of distribution: DraftDistribution, behind node: Int, _ context: DraftContext, depth: Int
  ) -> [RankedGuess] {
    var weights = distribution.probabilities.map { Double($0) }
    var drawn: [RankedGuess] = []
    for order in 0..<min(count, weights.count) {
      var rest =
        DraftNoise(context).uniform(position: context.tokens.count + depth, node: node, index: order)
        * weights.reduce(0, +)
      var chosen: Int?
      for index in weights.indices where weights[index] > 0 {
        chosen = index
        rest -= weights[index]
        if rest < 0 { break }
      }
      guard let chosen else { break }
      weights[chosen] = 0
      drawn.append(
        RankedGuess(token: distribution.tokens[chosen], probability: distribution.probabilities[chosen]))
    }
    return drawn
  }
}

/// Random numbers of draws: others in every round, so that what was rejected says nothing about what is drawn next.
struct DraftNoise {
  private let stream: CounterRandom

  init(_ context: DraftContext) {
    let round = UInt64(truncatingIfNeeded: context.round) &* 0x9E37_79B9_7F4A_7C15
    stream = CounterRandom(
      seed: context.sampling.seed ^ round, choice: UInt32(truncatingIfNeeded: context.choice))
  }

  /// - Parameters:
  ///   - node: whose children are drawn, −1 for the root.
  ///   - index: which number, below 2²⁰.
  func uniform(position: Int, node: Int, index: Int) -> Double {
    stream.uniform(
      position: position, purpose: .draft, draw: UInt32(truncatingIfNeeded: (node + 1) << 20 | index))
  }
}

/// Stochastic beam search (Kool et al. 2019): Gumbel noise makes the best k paths a sample without replacement. A child's
/// perturbed score is conditioned on its parent's being the largest among its siblings.
private struct BeamSearch {
  let width: Int
  /// Log-probability and perturbed score of the nodes; −1 is the root.
  private var scores: [Int: (logProbability: Double, perturbed: Double)] = [-1: (0, 0)]

  init(width: Int) { self.width = width }

  private struct Candidate {
    var parent: Int
    var token: TokenID
    var probability: Float
    var logProbability: Double
    var perturbed: Double
  }

  mutating func grow(
    _ tree: inout TokenTree, _ level: [Int], _ distributions: [DraftDistribution], _ context: DraftContext
  ) {
    let noise = DraftNoise(context)
    var candidates: [Candidate] = []
    for (node, distribution) in zip(level, distributions) {
      guard let parent = scores[node] else { continue }
      let position = context.tokens.count + (node < 0 ? 0 : tree.nodes[node].depth)
      let first = candidates.count
      var largest = -Double.infinity
      for (token, probability) in zip(distribution.tokens, distribution.probabilities) {
        let number = max(noise.uniform(position: position, node: node, index: token.index), 0x1p-54)
        let logProbability = parent.logProbability + log(Double(probability))
        let perturbed = logProbability - log(-log(number))
        largest = max(largest, perturbed)
        candidates.append(
          Candidate(
            parent: node, token: token, probability: probability, logProbability: logProbability,
            perturbed: perturbed))
      }
      for index in first..<candidates.count {
        // −log(exp(−G) − exp(−Z) + exp(−G̃)), in the form that does not overflow.
        let own = candidates[index].perturbed
        let v = parent.perturbed - own + log1p(-exp(own - largest))
        candidates[index].perturbed = parent.perturbed - max(0, v) - log1p(exp(-abs(v)))
      }
    }
    // Siblings are judged in the order of their scores.
    for candidate in candidates.sorted(by: { $0.perturbed > $1.perturbed }).prefix(width) {
      let node = tree.insert(candidate.token, parent: candidate.parent, confidence: candidate.probability)
      scores[node] = (candidate.logProbability, candidate.perturbed)
    }
  }
}
