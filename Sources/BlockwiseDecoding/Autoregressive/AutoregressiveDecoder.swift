public import BlockwiseFiles
public import BlockwiseModels

/// One token per pass, from left to right: the reference that every exact method must reproduce.
public struct AutoregressiveDecoder: Sendable {
  let model: any BlockModel
  let options: AutoregressiveOptions

  /// A decoder for an autoregressive model.
  /// - Throws: ``DecodingError/method(_:family:reason:)`` for models that fill masks, ``SamplingError`` and
  ///   ``DecodingError/option(_:found:expected:)`` for options out of range.
  public init(model: any BlockModel, options: AutoregressiveOptions) throws {
    guard model.traits.isAutoregressive else {
      throw DecodingError.method(
        "one token per pass", family: model.traits.family,
        reason: "it was trained to fill masked blocks, not to continue text from left to right")
    }
    guard options.prefillRowCount > 0 else {
      throw DecodingError.option(
        "prefillRowCount", found: "\(options.prefillRowCount)", expected: "at least 1")
    }
    guard options.maximumTokenCount ?? 0 >= 0 else {
      throw DecodingError.option(
        "maximumTokenCount", found: "\(options.maximumTokenCount ?? 0)", expected: "at least 0")
    }
    try options.sampling.validate()
    self.model = model
    self.options = options
  }

  /// Continues a prompt.
  ///
  /// The cache may hold a prefix of the prompt already (the caller has truncated it to one): only the rest is
  /// evaluated, and at least the last prompt token, whose logits are needed. Every token is final when it is
  /// reported. Cancellation ends the generation before its next pass; the cache stays consistent.
  /// - Parameters:
  ///   - prompt: all tokens from the first position on.
  ///   - cache: holds `committedCount` tokens that equal the front of `prompt`.
  ///   - progress: called after every pass over the prompt with the tokens done and all tokens of the prompt.
  ///   - commit: receives every new token; returning false ends the generation as a stop.
  public func generate(
    prompt: [TokenID], cache: CacheHandle, progress: (Int, Int) -> Void = { _, _ in },
    commit: (SampledToken) async throws -> Bool
  ) async throws -> (FinishReason, GenerationStatistics) {
    var statistics = GenerationStatistics()
    try check(prompt, contextLength: cache.contextLength)
    let clock = ContinuousClock()
    let result = BlockResultBuffer()
    var sampler = try Sampler(
      options: options.sampling, vocabularyCount: model.traits.vocabularyCount,
      vocabularyLimit: options.vocabularyLimit)
    var constraint = options.constraint

    let last = outputs
    let start = clock.now
    let isRead = try await prefill(
      prompt, cache: cache, into: result, statistics: &statistics, progress: progress)
    let prefilled = clock.now
    statistics.prefillSeconds = (prefilled - start).inSeconds
    guard isRead else { return (.cancelled, statistics) }

    var tokens = prompt
    func finished(_ reason: FinishReason) -> (FinishReason, GenerationStatistics) {
      statistics.decodeSeconds = (clock.now - prefilled).inSeconds
      return (reason, statistics)
    }
    while true {
      if let limit = options.maximumTokenCount, statistics.committedCount >= limit {
        return finished(.length)
      }
      if Task.isCancelled { return finished(.cancelled) }
      let choosing = clock.now
      var allowed: TokenMask?
      if let constraint {
        if constraint.mustStop { return finished(.stop) }
        allowed = allowedTokens(constraint)
      }
      let sampled = try result.withLogits(output: 0) { logits in
        try sampler.sample(
          logits: logits, history: tokens, position: tokens.count, choice: options.choice, mask: allowed,
          statistics: result.statistics(output: 0))
      }
      statistics.samplingSeconds += (clock.now - choosing).inSeconds
      if options.stopTokens.contains(sampled.token) {
        statistics.endToken = sampled.token
        return finished(.stop)
      }
      try constraint?.advance(sampled.token)
      tokens.append(sampled.token)
      statistics.committedCount += 1
      if statistics.forwardCount == 0 { statistics.prefillCommittedCount = 1 }
      guard try await commit(sampled) else { return finished(.stop) }
      if tokens.count >= cache.contextLength { return finished(.length) }
      if statistics.committedCount == options.maximumTokenCount { return finished(.length) }
      if Task.isCancelled { return finished(.cancelled) }
      guard try cache.committedCount == tokens.count - 1 else {
        throw DecodingError.cacheChanged(expected: tokens.count - 1, found: try cache.committedCount)
      }
      let plan = BlockPlan(tokens: CollectionOfOne(sampled.token), at: tokens.count - 1, outputs: last)
      try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
      statistics.decodeTiming += result.timing
      statistics.passes.append(
        PassShape(contextCount: tokens.count - 1, rowCount: 1, outputCount: 1))
      statistics.forwardCount += 1
      if result.passSequenceCount > 1 { statistics.sharedForwardCount += 1 }
      statistics.rowCount += 1
    }
  }

  /// What is asked of the row that speaks of the next token: rows of the head that stand for no token are not computed and
  /// count in no statistics.
  var outputs: OutputRequest { outputs(taps: []) }

  /// The same, with hidden states.
  func outputs(taps: [OutputRequest.Tap]) -> OutputRequest {
    var last = OutputRequest(rows: .last, taps: taps)
    let limit = options.vocabularyLimit ?? model.traits.vocabularyCount
    if limit < model.traits.vocabularyCount {
      var tokens = TokenMask(vocabularyCount: model.traits.vocabularyCount)
      for token in 0..<limit { tokens.insert(TokenID(token)) }
      last.allowed = [tokens]
    }
    return last
  }

  /// Evaluates whatever of the prompt the cache does not hold, and leaves the last row's output in `result`.
  /// - Parameters:
  ///   - taps: hidden states that are recorded.
  ///   - didRead: called after every pass with the positions that it read.
  /// - Returns: whether all of it was read; false where the task was cancelled.
  func prefill(
    _ prompt: [TokenID], cache: CacheHandle, into result: BlockResultBuffer,
    statistics: inout GenerationStatistics, taps: [OutputRequest.Tap] = [],
    progress: (Int, Int) -> Void, didRead: (Range<Int>) async throws -> Void = { _ in }
  ) async throws -> Bool {
    let last = outputs(taps: taps)
    var done = min(try cache.committedCount, prompt.count - 1)
    try cache.truncate(to: done)
    statistics.promptTokenCount = prompt.count
    statistics.cachedTokenCount = done
    while done < prompt.count {
      if Task.isCancelled { return false }
      let end = min(done + options.prefillRowCount, prompt.count)
      let outputs = end == prompt.count ? last : OutputRequest(rows: .none, taps: taps)
      let plan = BlockPlan(tokens: prompt[done..<end], at: done, outputs: outputs)
      try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
      statistics.prefillTiming += result.timing
      statistics.prefilledTokenCount += end - done
      try await didRead(done..<end)
      done = end
      progress(done, prompt.count)
    }
    return true
  }

  /// What the constraint permits; the end only where the text so far may end.
  func allowedTokens(_ constraint: any TokenConstraint) -> TokenMask {
    var mask = TokenMask(vocabularyCount: model.traits.vocabularyCount)
    constraint.allow(into: &mask)
    if constraint.isComplete {
      for token in options.stopTokens where token.index < mask.vocabularyCount { mask.insert(token) }
    }
    return mask
  }

  /// Refuses prompts that cannot be continued.
  package func check(_ prompt: [TokenID], contextLength: Int) throws {
    guard !prompt.isEmpty else { throw DecodingError.emptyPrompt }
    guard prompt.count < contextLength else {
      throw DecodingError.promptTooLong(tokenCount: prompt.count, contextLength: contextLength)
    }
    for (position, token) in prompt.enumerated()
    where !(0..<model.traits.vocabularyCount).contains(token.index) {
      throw DecodingError.token(
        token.index, position: position, vocabularyCount: model.traits.vocabularyCount)
    }
  }
}
