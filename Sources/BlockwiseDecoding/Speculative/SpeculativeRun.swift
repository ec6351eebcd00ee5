internal import BlockwiseFiles
internal import BlockwiseModels

/// One speculative generation.
struct SpeculativeRun {
  private let plain: AutoregressiveDecoder
  private let cache: CacheHandle
  private let result = BlockResultBuffer()
  private let outputs: OutputRequest
  private let clock = ContinuousClock()
  private var drafter: Drafter
  private var rule: any AcceptRule
  private var reader: RowReader
  private var constraint: (any TokenConstraint)?
  private(set) var statistics = GenerationStatistics()

  /// The guesses of the last pass, and the node whose row speaks of the next token; −1 is the root's.
  private var tree = TokenTree()
  private var node = -1
  /// Rows of the last pass whose tokens are in the text, and whether the pass has appended its only row by itself.
  private var path = [0]
  private var isAppended = true
  /// Whether plain decoding would have needed one more pass than there are tokens: for the end of the text.
  private var hasEndPass = false
  /// Whether the last pass is still to be charged.
  private var isUncharged = true
  /// Tokens since the sources were last told.
  private var newCount = 0

  init(_ decoder: SpeculativeDecoder, prompt: [TokenID], cache: CacheHandle) throws {
    plain = decoder.plain
    self.cache = cache
    try plain.check(prompt, contextLength: cache.contextLength)
    drafter = Drafter(decoder.options, vocabularyCount: plain.model.traits.vocabularyCount)
    rule = decoder.options.accept
    constraint = plain.options.constraint
    outputs = plain.outputs(taps: drafter.wantedTaps)
    reader = RowReader(
      sampler: try Sampler(
        options: plain.options.sampling, vocabularyCount: plain.model.traits.vocabularyCount,
        vocabularyLimit: plain.options.vocabularyLimit),
      result: result, choice: plain.options.choice, history: prompt, allowed: nil)
  }

  mutating func generate(
    progress: (Int, Int) -> Void, commit: (SampledToken) async throws -> Bool
  ) async throws -> FinishReason {
    let start = clock.now
    // Copies, because the statistics are written meanwhile.
    var drafter = self.drafter
    try drafter.resume(
      reader.history, cachedCount: min(try cache.committedCount, reader.history.count - 1))
    let result = self.result
    var isShared = false
    let isRead = try await plain.prefill(
      reader.history, cache: cache, into: result, statistics: &statistics, taps: outputs.taps,
      progress: progress,
      didRead: { rows in
        if result.passSequenceCount > 1 { isShared = true }
        try await drafter.readStates(
          of: result, rows: Array(0..<rows.count), rowCount: rows.count, firstPosition: rows.lowerBound,
          isPrompt: true)
      })
    self.drafter = drafter
    if isRead {
      // Of two tokens the first comes with the prompt, and before the second nothing can be saved.
      let isGuessing = (plain.options.maximumTokenCount ?? .max) > 2
      do {
        try await self.drafter.start(
          reader.history, seconds: statistics.prefillTiming.total, isShared: isShared,
          isGuessing: isGuessing)
      } catch {
        self.drafter.rememberBalance(reader.history)
        throw error
      }
    }
    let prefilled = clock.now
    statistics.prefillSeconds = (prefilled - start).inSeconds
    guard isRead else { return .cancelled }
    defer {
      statistics.decodeSeconds = (clock.now - prefilled).inSeconds
      statistics.drafts = self.drafter.statistics
      statistics.guessingCost = self.drafter.guessingCost
      statistics.guessingReadCost = self.drafter.readingCost
    }
    do {
      let reason = try await decode(commit)
      charge()
      try settle()
      self.drafter.remember(reader.history)
      return reason
    } catch {
      // What is not settled is not in the cache, but was paid for.
      charge()
      self.drafter.rememberBalance(reader.history)
      try? cache.rollback()
      throw error
    }
  }

  /// Token by token as plain decoding goes, except that a pass is due only where no guess has foreseen the token.
  private mutating func decode(_ commit: (SampledToken) async throws -> Bool) async throws -> FinishReason {
    let options = plain.options
    while true {
      if let limit = options.maximumTokenCount, statistics.committedCount >= limit { return .length }
      if Task.isCancelled { return .cancelled }
      let choosing = clock.now
      reader.allowed = nil
      if let constraint {
        if constraint.mustStop {
          hasEndPass = true
          return .stop
        }
        reader.allowed = plain.allowedTokens(constraint)
      }
      let verdict = try rule.decide(node, of: tree, with: &reader)
      let token = verdict.sampled.token
      statistics.samplingSeconds += (clock.now - choosing).inSeconds
      if options.stopTokens.contains(token) {
        statistics.endToken = token
        hasEndPass = true
        return .stop
      }
      try constraint?.advance(token)
      reader.history.append(token)
      statistics.committedCount += 1
      newCount += 1
      if statistics.forwardCount == 0 { statistics.prefillCommittedCount = 1 }
      guard try await commit(verdict.sampled) else { return .stop }
      if reader.history.count >= cache.contextLength { return .length }
      if statistics.committedCount == options.maximumTokenCount { return .length }
      if Task.isCancelled { return .cancelled }
      if let next = verdict.next {
        node = next
        path.append(next + 1)
        continue
      }
      try await nextPass()
    }
  }

  /// Charges the last pass to guessing.
  private mutating func charge() {
    guard isUncharged else { return }
    isUncharged = false
    // A pass that has brought nothing would have been one of plain decoding too.
    let due = max(newCount + (hasEndPass ? 1 : 0), statistics.forwardCount > 0 ? 1 : 0)
    if due > 0 { drafter.finish(newCount: due, tree: tree, path: path) }
  }

  /// Puts the rows of the tokens that the last pass brought into the cache, and lets go of the others.
  private mutating func settle() throws {
    if !isAppended { try cache.commit(scratchRows: path) }
    isAppended = true
    path = [0]
  }

  /// Learns from the last pass, guesses, and evaluates root and guesses.
  private mutating func nextPass() async throws {
    let accepted = path
    if statistics.forwardCount > 0 {
      try await drafter.readStates(
        of: result, rows: accepted, rowCount: tree.count + 1,
        firstPosition: reader.history.count - 1 - newCount, isPrompt: false)
    }
    if !tree.isEmpty { drafter.count(tree, path: path) }
    try settle()
    let count = reader.history.count
    let found = try cache.committedCount
    guard found == count - 1 else { throw DecodingError.cacheChanged(expected: count - 1, found: found) }
    let drafting = clock.now
    isUncharged = false
    if drafter.account(newCount: newCount, guessCount: tree.count) {
      try await guess(accepted)
    } else {
      tree = TokenTree()
    }
    newCount = 0
    node = -1
    statistics.draftSeconds += (clock.now - drafting).inSeconds
    try await forward()
  }

  /// Lets the sources learn from the last pass, and guess.
  private mutating func guess(_ accepted: [Int]) async throws {
    let tokens = reader.history
    try await drafter.observe(
      tokens, tree: tree, path: accepted, result: result, root: tokens[tokens.count - newCount - 1])
    // A guess d tokens behind the root brings token d + 1 of those that are left.
    let left = min(
      plain.options.maximumTokenCount.map { $0 - statistics.committedCount } ?? .max,
      cache.contextLength - tokens.count)
    tree = try await drafter.propose(
      tokens, left: left, room: cache.contextLength - tokens.count, constraint: constraint)
  }

  private mutating func forward() async throws {
    let last = reader.history.count - 1
    let root = reader.history[last]
    var plan: BlockPlan
    if tree.isEmpty {
      plan = BlockPlan(tokens: CollectionOfOne(root), at: last, outputs: outputs)
      isAppended = true
    } else {
      plan = BlockPlan(
        tree: [root] + tree.nodes.map(\.token), parents: [-1] + tree.nodes.map { $0.parent + 1 },
        prefixLength: last, outputs: outputs)
      isAppended = false
      statistics.draftedForwardCount += 1
    }
    plan.outputs.rows = .all
    path = [0]
    isUncharged = true
    try await plain.model.forward([SequencePass(plan: plan, cache: cache)], into: result)
    statistics.decodeTiming += result.timing
    statistics.passes.append(
      PassShape(contextCount: last, rowCount: plan.rowCount, outputCount: plan.rowCount))
    statistics.forwardCount += 1
    if result.passSequenceCount > 1 {
      statistics.sharedForwardCount += 1
    } else {
      drafter.record(rows: plan.rowCount, seconds: result.timing.total)
    }
    statistics.rowCount += plan.rowCount
  }
}
