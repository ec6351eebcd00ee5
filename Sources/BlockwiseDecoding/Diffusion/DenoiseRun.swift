internal import BlockwiseFiles
internal import BlockwiseModels
import Foundation

/// One generation of ``DiffusionDecoder``: the sequence as it stands and the loop that fills it.
struct DenoiseRun {
  private let model: any BlockModel
  private let options: DiffusionOptions
  private let recipe: DenoiseRecipe
  private let layout: DenoiseLayout
  private let mask: TokenID
  private let cache: CacheHandle
  private let promptCount: Int
  private let random: CounterRandom
  private let result = BlockResultBuffer()
  private let clock = ContinuousClock()
  private var reader: CandidateReader
  private(set) var statistics = GenerationStatistics()

  /// Prompt, answer, and (where blocks lie on a grid) the rest of the last block.
  private var tokens: [TokenID]
  private var isOpen: [Bool]
  private var isKnown: [Bool]
  /// What decided each position.
  private var candidates: [Candidate?]
  /// The answer ends here; shrinks when a stop policy cuts it.
  private var answerEnd: Int
  /// Tokens before this position have been reported.
  private var reported: Int
  /// What the last row of the context says of the token behind it.
  private var carried: Candidate?
  /// What the last row of the open block says of the token behind it while the block is filled.
  private var guess: Candidate?
  /// A look at the next block that has been made already, and the outputs of its pass that come before its own.
  private var ahead: (look: DenoisePass, firstOutput: Int)?
  private var mustRefresh = false
  /// Whether a stop policy has cut the answer.
  private var isCut = false
  private var passNumber: UInt32 = 0

  init(decoder: DiffusionDecoder, prompt: [TokenID], canvas: [TokenID?], cache: CacheHandle) throws {
    model = decoder.model
    options = decoder.options
    recipe = decoder.options.recipe
    layout = decoder.layout
    mask = decoder.mask
    self.cache = cache
    promptCount = prompt.count
    random = CounterRandom(
      seed: options.sampling.seed, choice: UInt32(truncatingIfNeeded: options.choice))
    reader = try CandidateReader(
      options: options, traits: model.traits, mask: mask,
      needs: recipe.commit.needs.union(recipe.revise.needs),
      // Known text behind a gap must stay, so that nothing may end before it.
      endsFrom: canvas.lastIndex { $0 != nil }.map { prompt.count + $0 } ?? 0,
      needsShadows: recipe.revise.needsShadows)
    answerEnd = prompt.count + canvas.count
    reported = prompt.count
    tokens = prompt + canvas.map { $0 ?? decoder.mask }
    isOpen = Array(repeating: false, count: prompt.count) + canvas.map { $0 == nil }
    // Blocks of one size are filled as they were trained: a part of the last may be thrown away.
    if layout.kind != .canvas, let size = recipe.block.gridSize {
      let first = layout.firstBlock(promptCount: prompt.count)
      let blocks = (answerEnd - first + size - 1) / size
      let end = min(cache.contextLength, first + blocks * size)
      tokens += Array(repeating: decoder.mask, count: max(0, end - answerEnd))
      isOpen += Array(repeating: true, count: max(0, end - answerEnd))
    }
    isKnown = isOpen.map { !$0 }
    candidates = Array(repeating: nil, count: tokens.count)
    statistics.promptTokenCount = prompt.count
  }

  // MARK: The loop

  mutating func run(
    progress: (Int, Int) -> Void, preview: ([TokenID]) -> Void, commit: (SampledToken) async throws -> Bool
  ) async throws -> FinishReason {
    let reason = try await fill(progress: progress, preview: preview, commit: commit)
    // What the reader did not get has been work, but is no part of the text.
    statistics.committedCount = (promptCount..<reported).count { !isKnown[$0] }
    if let end = firstEnd(), end == reported { statistics.endToken = tokens[end] }
    statistics.prefillCommittedCount = min(statistics.prefillCommittedCount, statistics.committedCount)
    return reason
  }

  private mutating func fill(
    progress: (Int, Int) -> Void, preview: ([TokenID]) -> Void, commit: (SampledToken) async throws -> Bool
  ) async throws -> FinishReason {
    let start = clock.now
    let isRead = try await prefill(progress)
    statistics.prefillSeconds = (clock.now - start).inSeconds
    guard isRead else { return .cancelled }
    let decoding = clock.now
    defer { statistics.decodeSeconds = (clock.now - decoding).inSeconds }

    var first = layout.firstBlock(promptCount: promptCount)
    while first < answerEnd {
      let remaining = tokens.count - first
      let budget = answerEnd - promptCount
      var block = window(at: first)
      guess = nil
      var isSized = recipe.block.gridSize != nil || block.count == 1
      takeCarried(at: first)
      var pass = 0
      var part = block
      var partPass = 0
      var extraPasses = 0
      var isSettled = recipe.revise.extraPassCount == 0
      reader.openBlock()
      if try await report(isBlockClosed: false, commit) { return .stop }
      if let reason = decideStop(block: block, isClosed: false, predicted: []) { return reason }
      while true {
        if Task.isCancelled { return .cancelled }
        let isFilled = !(block.lowerBound..<min(block.upperBound, answerEnd)).contains { isOpen[$0] }
        if isFilled, isSettled || pass == 0 { break }
        let next = openPart(of: block)
        if next != part || pass == 0 {
          part = next
          partPass = 0
        }
        let made = ahead
        ahead = nil
        let look =
          made?.look
          ?? look(scope(pass: pass, partPass: partPass, part: part), block, part, isSized: isSized)
        if made == nil {
          try await forward(look.plan, visibleEnd: layout.kind == .canvas ? tokens.count : block.upperBound)
        }
        mustRefresh = false
        let choosing = clock.now
        var found = try reader.candidates(
          look.positions, firstOutput: made?.firstOutput ?? 0, tokens: tokens, isOpen: isOpen,
          promptCount: promptCount,
          result)
        guess = found[block.upperBound]
        if !isSized {
          let length = recipe.block.length(
            candidates: block.map { found[$0] }, delimiters: options.delimiters, remaining: remaining,
            budget: budget)
          block = first..<first + max(1, min(length, remaining))
          part = openPart(of: block)
          isSized = true
        }
        found = found.filter { block.contains($0.key) }
        let committed = commitPositions(found, block: block, part: part, pass: partPass)
        // A block that has just got its length may hold known tokens only.
        guard !committed.isEmpty || !part.contains(where: { isOpen[$0] }) else {
          throw DecodingError.noProgress(position: part.lowerBound)
        }
        let changed = try revise(
          found, block: block, part: part, committed: committed, look: look, pass: partPass)
        statistics.samplingSeconds += (clock.now - choosing).inSeconds
        passNumber &+= 1
        pass += 1
        partPass += 1
        if isFilled {
          extraPasses += 1
          isSettled = !changed || extraPasses >= recipe.revise.extraPassCount
        }
        preview(Array(tokens[promptCount..<answerEnd]))
        if try await report(isBlockClosed: false, commit) { return .stop }
        let predicted = predictedEnds(found, block: block)
        if let reason = decideStop(block: block, isClosed: false, predicted: predicted) { return reason }
        block = first..<min(block.upperBound, tokens.count)
      }
      if try await report(isBlockClosed: true, commit) { return .stop }
      if let reason = decideStop(block: block, isClosed: true, predicted: []) { return reason }
      first = block.upperBound
      ahead = nil
      if first < answerEnd { try await close(block) }
    }
    // Where the text goes on as it was given, or an end was foreseen, nothing is missing.
    return firstEnd() != nil || isCut || answerEnd > promptCount && isKnown[answerEnd - 1] ? .stop : .length
  }

  /// Reads the prompt as far as no block covers it; false when it was cancelled.
  private mutating func prefill(_ progress: (Int, Int) -> Void) async throws -> Bool {
    let end = layout.firstBlock(promptCount: promptCount)
    guard layout.kind != .canvas, layout.keepsBlocks else {
      try cache.truncate(to: 0)
      if layout.carriesToken, end > 0, end == promptCount,
        let plan = layout.close(0..<end, tokens: tokens, outputs: reader.request(at: end))
      {
        try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
        statistics.prefillTiming += result.timing
        statistics.prefilledTokenCount = end
        carried = try reader.carried(at: end, tokens: tokens, result)
      }
      return true
    }
    let done = layout.usable(cached: try cache.committedCount, before: end)
    try cache.truncate(to: done)
    statistics.cachedTokenCount = done
    for range in layout.prefill(from: done, to: end, rowCount: options.prefillRowCount) {
      if Task.isCancelled { return false }
      var outputs = reader.request(at: promptCount)
      let needsLogits = layout.carriesToken && range.upperBound == promptCount
      outputs.rows = needsLogits ? .last : .none
      let visibility: Visibility =
        if case .grid(let size) = layout.kind { .blockCausal(size: size) } else { .causal }
      let plan = BlockPlan(
        tokens: tokens[range], at: range.lowerBound, visibility: visibility, outputs: outputs)
      try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
      statistics.prefillTiming += result.timing
      statistics.prefilledTokenCount += range.count
      progress(range.upperBound, promptCount)
      if needsLogits { carried = try reader.carried(at: promptCount, tokens: tokens, result) }
    }
    return true
  }

  /// Makes a finished block part of the context, and looks at the next one where the recipe says so.
  private mutating func close(_ block: Range<Int>) async throws {
    if layout.keepsOpenBlock { try cache.rollback() }
    guard let plan = layout.close(block, tokens: tokens, outputs: reader.request(at: block.upperBound))
    else { return }
    let end = block.upperBound
    guard layout.looksAhead, let look = lookAhead(at: end) else {
      try await forward(plan, visibleEnd: end)
      statistics.closingForwardCount += 1
      if layout.carriesToken { carried = try reader.carried(at: end, tokens: tokens, result) }
      return
    }
    var merged = layout.merged(plan, look.plan)
    let outputCount = layout.carriesToken ? 1 : 0
    merged.outputs.allowed = reader.allowed(
      Array(repeating: end, count: outputCount) + look.positions, shadowCount: look.shadows.count)
    try await forward(merged, visibleEnd: window(at: end).upperBound)
    if layout.carriesToken { carried = try reader.carried(at: end, tokens: tokens, result) }
    if layout.carriesToken, isOpen[end], carried?.token != guess?.token {
      statistics.closingForwardCount += 1
    } else {
      ahead = (look, outputCount)
    }
  }

  /// The first look at a block whose first token the context has not spoken of yet; nil where it is not known what the look will see.
  private mutating func lookAhead(at first: Int) -> DenoisePass? {
    let next = window(at: first)
    let isCarried = layout.carriesToken && isOpen[first]
    if isCarried {
      guard let guess else { return nil }
      tokens[first] = guess.token
      isOpen[first] = false
    }
    defer {
      if isCarried {
        tokens[first] = mask
        isOpen[first] = true
      }
    }
    guard (first..<min(next.upperBound, answerEnd)).contains(where: { isOpen[$0] }) else { return nil }
    let part = openPart(of: next)
    return look(scope(pass: 0, partPass: 0, part: part), next, part, isSized: true)
  }

  /// A pass that looks at a block.
  private func look(_ scope: PassScope, _ block: Range<Int>, _ part: Range<Int>, isSized: Bool) -> DenoisePass
  {
    var wanted = wantedPositions(block: block, part: part, isSized: isSized)
    // The row of the last token guesses what comes behind it.
    let end = block.upperBound
    if layout.looksAhead, layout.carriesToken, end < answerEnd, isOpen[end] { wanted.append(end) }
    let shadows = recipe.revise.needsShadows ? block.filter { !isOpen[$0] && !isKnown[$0] } : []
    var look = layout.look(
      scope, tokens: tokens, block: block, part: part, wanted: wanted, shadows: shadows, mask: mask,
      outputs: reader.request)
    look.plan.outputs.allowed = reader.allowed(look.positions, shadowCount: look.shadows.count)
    return look
  }

  /// The positions that may become a block.
  private func window(at first: Int) -> Range<Int> {
    first..<first + recipe.block.window(remaining: tokens.count - first, budget: answerEnd - promptCount)
  }

  /// Evaluates rows; those outside of the plan that lie before `visibleEnd` are seen as they are cached.
  private mutating func forward(_ plan: BlockPlan, visibleEnd: Int) async throws {
    try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
    statistics.decodeTiming += result.timing
    statistics.forwardCount += 1
    if result.passSequenceCount > 1 { statistics.sharedForwardCount += 1 }
    statistics.rowCount += plan.rowCount
    statistics.passes.append(
      PassShape(
        contextCount: max(0, visibleEnd - plan.rowCount), rowCount: plan.rowCount,
        outputCount: plan.outputs.indices(rowCount: plan.rowCount).count))
  }

  // MARK: Rows

  private func scope(pass: Int, partPass: Int, part: Range<Int>) -> PassScope {
    if mustRefresh { return .everything }
    let scope = recipe.cache.scope(pass: pass)
    guard scope == .subBlock else { return scope }
    // A part is begun by a look at the whole block; the row that speaks of its first token lies before it.
    let isSpokenOf = partPass > 0 && (!layout.isShifted || !isOpen[part.lowerBound])
    return isSpokenOf ? .subBlock : .block
  }

  /// The first part of a block with an open position; the whole block where it has no parts.
  private func openPart(of block: Range<Int>) -> Range<Int> {
    guard let size = recipe.block.subBlockSize else { return block }
    let open = block.first { isOpen[$0] } ?? block.lowerBound
    let start = block.lowerBound + (open - block.lowerBound) / size * size
    return start..<min(start + size, block.upperBound)
  }

  private func wantedPositions(block: Range<Int>, part: Range<Int>, isSized: Bool) -> [Int] {
    if reader.needs.contains(.allSlots) { return block.filter { !isKnown[$0] } }
    return (isSized ? part : block).filter { isOpen[$0] }
  }

  // MARK: Decisions

  private mutating func decide(_ position: Int, _ candidate: Candidate) {
    tokens[position] = candidate.token
    candidates[position] = candidate
    isOpen[position] = false
  }

  /// The first token of a block that the context has predicted.
  private mutating func takeCarried(at position: Int) {
    guard layout.carriesToken, isOpen[position], let carried else { return }
    decide(position, carried)
    self.carried = nil
    if statistics.forwardCount == 0, position < answerEnd { statistics.prefillCommittedCount = 1 }
  }

  private func step(
    _ found: [Int: Candidate], block: Range<Int>, part: Range<Int>, pass: Int
  ) -> BlockStep {
    let (random, number) = (random, passNumber)
    let draw: @Sendable (Int) -> Double = { slot in
      random.uniform(position: block.lowerBound + slot, purpose: .order, draw: number)
    }
    let open = block.map { part.contains($0) && isOpen[$0] }
    let slots = block.map { found[$0] }
    let scores = slots.indices.map { slot -> Float in
      guard open[slot], let candidate = slots[slot] else { return -.infinity }
      return recipe.score.score(candidate, random: draw(slot))
    }
    return BlockStep(
      start: block.lowerBound, candidates: slots, isOpen: open, scores: scores, pass: pass,
      scheduledCount: part.count, random: draw)
  }

  /// Decides what the commit policy chooses, at least the best position.
  private mutating func commitPositions(
    _ found: [Int: Candidate], block: Range<Int>, part: Range<Int>, pass: Int
  ) -> [Int] {
    let step = step(found, block: block, part: part, pass: pass)
    var slots = recipe.commit.select(step).filter { step.isOpen[$0] && step.candidates[$0] != nil }
    if slots.isEmpty, let best = step.ranked.first { slots = [best] }
    for slot in slots {
      guard let candidate = step.candidates[slot] else { continue }
      decide(block.lowerBound + slot, candidate)
    }
    return slots
  }

  /// Takes back or changes what the revise policy chooses; whether it has changed anything.
  private mutating func revise(
    _ found: [Int: Candidate], block: Range<Int>, part: Range<Int>, committed: [Int], look: DenoisePass,
    pass: Int
  ) throws -> Bool {
    guard !(recipe.revise is NoRevision) else { return false }
    var shadows = [Float?](repeating: nil, count: block.count)
    for (index, position) in look.shadows.enumerated() {
      shadows[position - block.lowerBound] = reader.probability(
        of: tokens[position], output: look.positions.count + index, result)
    }
    var step = step(found, block: block, part: block, pass: pass)
    step.scheduledCount = part.count { !isKnown[$0] }
    // The first token of a block is the context's where no row of the block speaks of it.
    let fixed = layout.carriesToken ? block.lowerBound : -1
    let decided = block.map { position -> (token: TokenID, probability: Float)? in
      guard position != fixed, !isOpen[position], !isKnown[position], let candidate = candidates[position]
      else { return nil }
      return (candidate.token, candidate.probability)
    }
    let state = RevisionState(
      step: step, decided: decided, committedNow: committed, shadows: shadows,
      part: part.lowerBound - block.lowerBound..<part.upperBound - block.lowerBound)
    var hasChanged = false
    // Less is taken back than the pass has decided, so that the number of masks falls with every pass.
    var allowance = committed.count - 1
    for revision in recipe.revise.revise(state) {
      switch revision {
      case .replace(let slot, let token, let probability):
        let position = block.lowerBound + slot
        guard position != fixed, !isOpen[position], !isKnown[position] else { continue }
        let candidate = found[position].flatMap { $0.token == token ? $0 : nil }
        decide(position, candidate ?? Candidate(token: token, probability: probability))
        statistics.revisedCount += 1
        hasChanged = true
      case .open(let slot):
        let position = block.lowerBound + slot
        guard allowance > 0, position != fixed, !isOpen[position], !isKnown[position] else { continue }
        allowance -= 1
        tokens[position] = mask
        isOpen[position] = true
        statistics.revisedCount += 1
        hasChanged = true
      }
    }
    return hasChanged
  }

  // MARK: The end

  /// The first end token of the answer.
  private func firstEnd() -> Int? {
    (promptCount..<answerEnd).first { !isOpen[$0] && !isKnown[$0] && options.stopTokens.contains(tokens[$0]) }
  }

  private func predictedEnds(_ found: [Int: Candidate], block: Range<Int>) -> [(
    slot: Int, probability: Float
  )] {
    block.compactMap { position in
      guard isOpen[position], position < answerEnd, let candidate = found[position],
        options.stopTokens.contains(candidate.token)
      else { return nil }
      return (position - promptCount, candidate.probability)
    }
  }

  private mutating func decideStop(
    block: Range<Int>, isClosed: Bool, predicted: [(slot: Int, probability: Float)]
  ) -> FinishReason? {
    let state = StopState(
      firstEnd: firstEnd().map { $0 - promptCount },
      firstOpen: (promptCount..<answerEnd).first { isOpen[$0] }.map { $0 - promptCount },
      isBlockClosed: isClosed, blockEnd: block.upperBound - promptCount,
      isRevisable: recipe.revise.delaysEnd, predictedEnds: predicted)
    switch recipe.stop.decide(state) {
    case .goOn: return nil
    case .finish: return .stop
    case .truncate(let slot):
      cut(at: promptCount + slot)
      return nil
    }
  }

  /// Drops what follows a position of the answer.
  private mutating func cut(at end: Int) {
    guard end < answerEnd, end > promptCount else { return }
    answerEnd = end
    isCut = true
    guard layout.kind == .canvas else { return }
    tokens.removeSubrange(end...)
    isOpen.removeSubrange(end...)
    isKnown.removeSubrange(end...)
    try? cache.rollback()
    mustRefresh = true
  }

  /// Reports tokens that are final; true when the reader wants no more.
  private mutating func report(
    isBlockClosed: Bool, _ commit: (SampledToken) async throws -> Bool
  ) async throws -> Bool {
    guard isBlockClosed || recipe.revise is NoRevision else { return false }
    while reported < answerEnd, !isOpen[reported] {
      if !isKnown[reported], options.stopTokens.contains(tokens[reported]) { return false }
      let candidate = isKnown[reported] ? nil : candidates[reported]
      let token = SampledToken(
        token: tokens[reported], logProbability: candidate?.logProbability ?? 0,
        topLogProbabilities: candidate?.alternatives ?? [])
      reported += 1
      guard try await commit(token) else { return true }
    }
    return false
  }
}
