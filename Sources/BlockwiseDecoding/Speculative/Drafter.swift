internal import BlockwiseFiles
internal import BlockwiseModels

/// The sources of a generation with what is known of them: asks, merges, estimates and cuts.
struct Drafter {
  private let options: SpeculativeOptions
  private let vocabularyCount: Int
  private var sources: [any DraftSource]
  private var estimates: [AcceptanceEstimate]
  private var plans: [DepthPlan]
  private var costs: PassCosts
  private var ledger: LossLedger
  private var guessing: GuessingCosts
  private let sourceNames: String
  /// Of the round under way: learning and proposing, and what of that steps and reading take.
  private var roundSeconds = 0.0
  private var costlySeconds = 0.0
  private var round = 0
  private let topCount: Int
  private(set) var statistics: [DraftStatistics]
  private let clock = ContinuousClock()

  /// What the tree of the pass under way has cost to propose, in passes of one row.
  private var draftCost = 0.0
  /// Seconds of guessing before it was known what a pass takes.
  private var unpricedSeconds = 0.0
  /// Nothing is learned or guessed while that cannot be paid; sources catch up afterwards.
  private var isSuspended = false
  /// Whether the sources that cost nothing know the prompt.
  private var isStarted = false
  /// Tokens since the sources were told last.
  private var untoldCount = 0
  private let isCut: Bool
  private let memory: DraftMemory?
  /// What costly sources took to read the prompt, a bound of a step's cost as long as none is measured.
  private var readingSeconds: [Double?]
  /// Tokens of the prompt, and those of them that the model has not read again.
  private var promptCount = 0
  private var cachedCount = 0
  /// What is read together with a proposal; more is read before it, and counted apart.
  private static let smallReading = 16

  init(_ options: SpeculativeOptions, vocabularyCount: Int) {
    self.options = options
    self.vocabularyCount = vocabularyCount
    // Where the text follows the guesses it must not follow what was learned before.
    memory = options.accept.textFollowsGuesses ? nil : options.memory
    sources = []
    estimates = []
    plans = []
    readingSeconds = Array(repeating: nil, count: options.sources.count)
    for (name, source) in options.sources {
      let known = memory?.take(Self.key(name, options))
      // A source of another kind under the same name is none to go on with.
      let kept = known?.source.flatMap { type(of: $0) == type(of: source) ? $0 : nil }
      sources.append(kept ?? source)
      estimates.append(known?.estimate ?? AcceptanceEstimate())
      var plan = known?.plan ?? DepthPlan(stepCost: source.assumedStepCost)
      if let stepCost = options.stepCost { plan.fix(stepCost: stepCost) }
      plans.append(plan)
    }
    costs = PassCosts(options.costCurve)
    if options.costCurve == nil, let known = memory?.costs { costs = known }
    topCount = sources.reduce(0) { max($0, $1.wantedTopCount) }
    isCut = options.shape is CostShaper
    ledger = LossLedger(share: (options.shape as? CostShaper)?.loss ?? 0)
    sourceNames = options.sources.map(\.name).joined(separator: "+")
    guessing = memory?.guessingCosts(sourceNames) ?? GuessingCosts()
    statistics = options.sources.map { DraftStatistics(source: $0.name) }
  }

  /// Begins a generation whose model has the first tokens of the prompt in its cache.
  mutating func resume(_ prompt: [TokenID], cachedCount: Int) throws {
    if isCut, let memory { ledger.inherit(memory.earned(before: prompt)) }
    self.cachedCount = cachedCount
    for index in sources.indices {
      do {
        try sources[index].resume(prompt, cachedCount: cachedCount)
      } catch {
        // One that cannot go on begins anew.
        sources[index] = options.sources[index].source
        try sources[index].resume(prompt, cachedCount: cachedCount)
      }
    }
  }

  /// Under another rule a source may draw where it chose.
  private static func key(_ name: String, _ options: SpeculativeOptions) -> String {
    "\(name),\(options.accept.text)"
  }

  /// Leaves what was learned to the next generation.
  /// - Parameter text: prompt and answer.
  func remember(_ text: [TokenID]) {
    guard let memory else { return }
    memory.keepSources(of: Set(options.sources.map { Self.key($0.name, options) }))
    for (index, entry) in options.sources.enumerated() {
      memory.keep(
        Self.key(entry.name, options),
        DraftMemory.Known(
          source: sources[index].isKept ? sources[index] : nil, estimate: estimates[index], plan: plans[index]
        ))
    }
    if options.costCurve == nil {
      memory.keep(costs)
      memory.keep(guessing, of: sourceNames)
    }
    // Of what a conversation has saved a part may be risked in its next answer.
    rememberBalance(text)
  }

  /// What guessing has taken beside the rows of passes, in passes of one row.
  var guessingCost: Double { ledger.guessingCost }
  /// What sources have taken to read the prompt beside the model, in passes of one row.
  var readingCost: Double { ledger.readingCost }

  /// Leaves what was saved or lost to the next generation, and nothing else.
  func rememberBalance(_ text: [TokenID]) {
    guard isCut, let memory else { return }
    memory.keep(earned: ledger.earned, text: text)
  }

  /// The hidden states that sources want.
  var wantedTaps: [OutputRequest.Tap] {
    var taps: [OutputRequest.Tap] = []
    for source in sources { for tap in source.wantedTaps where !taps.contains(tap) { taps.append(tap) } }
    return taps
  }

  /// Hands hidden states to the sources that want some.
  /// - Parameter isPrompt: whether reading them belongs to the prompt and not to what guessing has to earn.
  mutating func read(_ states: TokenStates, isPrompt: Bool) async throws {
    for index in sources.indices where !sources[index].wantedTaps.isEmpty {
      let start = clock.now
      try await sources[index].read(states)
      let seconds = (clock.now - start).inSeconds
      statistics[index].seconds += seconds
      // A step cost that is given comprises the reading.
      guard options.stepCost == nil else { continue }
      if isPrompt { ledger.spendReading(measuredCost(seconds, given: 0)) } else { spend(seconds) }
    }
  }

  /// The same, from some rows of a pass.
  mutating func readStates(
    of result: BlockResultBuffer, rows: [Int], rowCount: Int, firstPosition: Int, isPrompt: Bool
  ) async throws {
    let taps = wantedTaps
    guard !taps.isEmpty,
      let states = TokenStates(
        result, rows: rows, rowCount: rowCount, firstPosition: firstPosition, taps: taps)
    else { return }
    try await read(states, isPrompt: isPrompt)
  }

  /// Lets costly sources take in the prompt. Where one can read it in what may be lost of the model's own time for it, or
  /// nothing is said about losses, it does so now, as a part of reading the prompt; else when guesses can pay for it.
  /// - Parameters:
  ///   - seconds: what the model took to read it.
  ///   - isShared: whether passes for other requests were among that.
  ///   - isGuessing: whether anything can be guessed at all.
  mutating func start(_ prompt: [TokenID], seconds: Double, isShared: Bool, isGuessing: Bool) async throws {
    promptCount = prompt.count
    if !isShared { costs.record(promptRows: prompt.count - cachedCount, seconds: seconds) }
    ledger.allowReading(promptCost(rows: prompt.count - cachedCount, seconds: seconds))
    for index in sources.indices {
      // The others are told when that and a guess can be paid, which in a short answer may never be.
      guard sources[index].isCostly else { continue }
      let start = clock.now
      try await sources[index].start(prompt)
      let cost = plans[index].readingCost(rows: try sources[index].unreadCount(prompt), costs: costs.curve)
      guard isGuessing, !isCut || !ledger.isStrict || cost <= ledger.promptAllowance else { continue }
      let rows = try await sources[index].prepare(prompt)
      let seconds = (clock.now - start).inSeconds
      statistics[index].seconds += seconds
      // One that was cancelled has taken its time too.
      ledger.spendReading(settleReading(of: index, rows: rows, seconds: seconds))
      if rows > 0 { readingSeconds[index] = seconds }
    }
    ledger.endReading()
  }

  /// What reading the prompt has cost the model, in passes of one row; nothing before it is known what they cost. A curve that was
  /// not measured says rather too much of many rows.
  private func promptCost(rows: Int, seconds: Double) -> Double {
    guard rows > 0, costs.isKnown else { return 0 }
    let cost = costs.curve.relativeCost(rows: rows)
    guard options.costCurve == nil, let single = costs.singleSeconds, single > 0 else { return cost }
    return min(cost, seconds / single)
  }

  /// What a draft model or heads have taken, in passes of one row: so many steps at the cost that is given, else the time.
  private func measuredCost(_ seconds: Double, given steps: Double) -> Double {
    if let stepCost = options.stepCost { return stepCost * steps }
    guard let single = costs.singleSeconds, single > 0 else { return 0 }
    return seconds / single
  }

  /// What a source has taken to read rows.
  private mutating func settleReading(of index: Int, rows: Int, seconds: Double) -> Double {
    let cost = measuredCost(seconds, given: rows > 0 ? costs.curve.relativeCost(rows: rows) : 0)
    // Few rows say nothing of many.
    if rows > Self.smallReading { plans[index].record(rows: rows, readingCost: cost) }
    return cost
  }

  /// Takes in the time of a pass.
  mutating func record(rows: Int, seconds: Double) { costs.record(rows: rows, seconds: seconds) }

  // MARK: Guessing

  /// Guesses of a pass before it is known what more rows cost.
  private static let firstCount = 2

  /// As many guesses as may all be wrong.
  private var affordableCount: Int {
    let limit = costs.areRowsKnown ? options.shape.nodeLimit : min(options.shape.nodeLimit, Self.firstCount)
    var count = 0
    while count < limit, costs.curve.relativeCost(rows: count + 2) - 1 <= ledger.allowance {
      count += 1
    }
    return count
  }

  /// The guesses of the next pass.
  /// - Parameters:
  ///   - left: tokens that can still come.
  ///   - room: slots of the cache beside the root's.
  mutating func propose(
    _ tokens: [TokenID], left: Int, room: Int, constraint: (any TokenConstraint)?
  ) async throws -> TokenTree {
    round += 1
    draftCost = 0
    if isSuspended { return TokenTree() }
    let begin = clock.now
    defer {
      addRound(clock.now - begin)
      guessing.record(round: roundSeconds)
    }
    var limit = min(options.shape.nodeLimit, room)
    // Nobody is asked for what cannot be paid.
    if isCut { limit = costs.isKnown ? min(limit, affordableCount) : 0 }
    guard left > 1, limit > 0 else { return TokenTree() }
    var context = DraftContext(
      tokens: tokens, maximumNodeCount: limit, maximumDepth: left - 1, constraint: constraint,
      stopTokens: options.plain.stopTokens, sampling: options.plain.sampling, choice: options.plain.choice,
      round: round, vocabularyCount: vocabularyCount)
    var merged = TokenTree()
    for index in sources.indices {
      context.maximumDepth = left - 1
      if sources[index].isCostly, isCut {
        assumeStep(of: index)
        let reading = try readingCost(of: index, tokens)
        let depth = plans[index].depth(
          costs: costs.curve, allowance: ledger.allowance - draftCost - reading, limit: min(limit, left - 1))
        guard depth > 0 else { continue }
        context.maximumDepth = depth
        if reading > 0 { try await prepare(index, tokens) }
      }
      let start = clock.now
      let guesses = try await sources[index].propose(context)
      settleProposal(of: index, depth: guesses.depth, seconds: (clock.now - start).inSeconds)
      merged.merge(usable(guesses, depth: left - 1), source: index)
    }
    let kept = options.shape.select(
      merged,
      budget: DraftBudget(
        chances: chances(merged), cost: costs.curve, draftCost: draftCost, allowance: ledger.allowance))
    return merged.keeping(Array(kept.prefix(limit)))
  }

  /// What a source that has a cache has to read before it can guess, in passes of one row; 0 where that is little.
  private func readingCost(of index: Int, _ tokens: [TokenID]) throws -> Double {
    let missed = try sources[index].unreadCount(tokens)
    return missed > Self.smallReading ? plans[index].readingCost(rows: missed, costs: costs.curve) : 0
  }

  /// Lets a source read what it has missed, apart from the steps, whose time is measured.
  private mutating func prepare(_ index: Int, _ tokens: [TokenID]) async throws {
    let start = clock.now
    let rows = try await sources[index].prepare(tokens)
    let seconds = (clock.now - start).inSeconds
    statistics[index].seconds += seconds
    costlySeconds += seconds
    _ = settleReading(of: index, rows: rows, seconds: seconds)
    addDraftCost(seconds, given: rows > 0 ? costs.curve.relativeCost(rows: rows) : 0)
  }

  /// Adds what a draft model or heads have taken: so many steps at the cost that is given, else the time.
  private mutating func addDraftCost(_ seconds: Double, given steps: Double) {
    guard let single = costs.singleSeconds, single > 0 else { return }
    guard let stepCost = options.stepCost else {
      draftCost += seconds / single
      return
    }
    draftCost += stepCost * steps
    // All of the round's time is counted; here it is exchanged.
    ledger.spend(stepCost * steps - seconds / single)
  }

  /// A draft model that has read the prompt in some time takes no longer for a step.
  private mutating func assumeStep(of index: Int) {
    guard options.stepCost == nil, sources[index].wantedTaps.isEmpty, let seconds = readingSeconds[index],
      let single = costs.singleSeconds, single > 0
    else { return }
    plans[index].assume(atMost: seconds / single)
  }

  /// Counts what a proposal has taken.
  private mutating func settleProposal(of index: Int, depth: Int, seconds: Double) {
    statistics[index].seconds += seconds
    guard sources[index].isCostly else {
      if let single = costs.singleSeconds, single > 0 { draftCost += seconds / single }
      return
    }
    statistics[index].stepCount += depth
    costlySeconds += seconds
    addDraftCost(seconds, given: Double(depth))
    if options.stepCost == nil, let single = costs.singleSeconds, single > 0 {
      plans[index].record(depth: depth, stepCost: seconds / single / Double(max(1, depth)))
    }
  }

  /// Without guesses that can be of no use: behind the last position, the end of the text, which needs no row, ids that the
  /// model does not know. What was drawn is cut by depth only, which says nothing of the draws.
  private func usable(_ tree: TokenTree, depth: Int) -> TokenTree {
    let isDrawn = !tree.draws.isEmpty
    let limit = options.plain.vocabularyLimit ?? vocabularyCount
    var kept: [Int] = []
    var isKept = [Bool](repeating: false, count: tree.count)
    for (index, node) in tree.nodes.enumerated()
    where (node.parent < 0 || isKept[node.parent]) && node.depth <= depth {
      let isToken = (0..<limit).contains(node.token.index) && !options.plain.stopTokens.contains(node.token)
      guard isDrawn || isToken else { continue }
      isKept[index] = true
      kept.append(index)
    }
    return tree.keeping(kept)
  }

  /// The chance of every node: products of the estimates of the best of its sources; siblings share at most 1.
  private func chances(_ tree: TokenTree) -> [Double] {
    var own = [Double](repeating: 0, count: tree.count)
    var sums = [Double](repeating: 0, count: tree.count + 1)
    for (index, node) in tree.nodes.enumerated() {
      for source in sources.indices where node.sources >> UInt64(source) & 1 == 1 {
        own[index] = max(
          own[index], estimates[source].chance(confidence: node.confidence, depth: node.depth))
      }
      sums[node.parent + 1] += own[index]
    }
    for (index, node) in tree.nodes.enumerated() {
      own[index] /= max(1, sums[node.parent + 1])
      if node.parent >= 0 { own[index] *= own[node.parent] }
    }
    return own
  }

  // MARK: Learning

  /// Counts the guesses of a pass, and those of them that are in the text.
  mutating func count(_ tree: TokenTree, path: [Int]) {
    let accepted = Set(path.map { $0 - 1 })
    for (index, node) in tree.nodes.enumerated() {
      for source in sources.indices where node.sources >> UInt64(source) & 1 == 1 {
        statistics[source].count(depth: node.depth, isAccepted: accepted.contains(index))
      }
    }
  }

  /// Settles what the last pass and its guesses have cost.
  /// - Returns: whether learning and guessing can be paid; else nothing more is to be done in this round.
  mutating func account(newCount: Int, guessCount: Int) -> Bool {
    untoldCount += newCount
    spend(0)
    ledger.settle(newCount: newCount, passCost: costs.curve.relativeCost(rows: guessCount + 1))
    guard isCut else { return true }
    guard costs.isKnown else { return false }
    // Learning without ever guessing is for nothing.
    var price = costs.curve.relativeCost(rows: 2) - 1
    if let single = costs.singleSeconds, single > 0 {
      price += (guessing.round + (isStarted ? 0 : guessing.promptToken * Double(promptCount))) / single
    }
    isSuspended = ledger.allowance < price
    if isSuspended { guessing.relent() }
    // What a pass has brought is always learned.
    return !isSuspended || guessCount > 0
  }

  /// Settles what the last pass of a generation has cost, and what it has shown.
  /// - Parameter newCount: tokens that it has brought, an end of the text included.
  mutating func finish(newCount: Int, tree: TokenTree, path: [Int]) {
    count(tree, path: path)
    learn(tree, accepted: Set(path.map { $0 - 1 }))
    _ = account(newCount: newCount, guessCount: tree.count)
  }

  /// Takes in what came of a pass.
  /// - Parameters:
  ///   - path: the rows whose tokens are in the text, the root's first.
  ///   - root: the token of the root's row.
  mutating func observe(
    _ tokens: [TokenID], tree: TokenTree, path: [Int], result: BlockResultBuffer, root: TokenID
  ) async throws {
    let begin = clock.now
    roundSeconds = 0
    defer {
      addRound(clock.now - begin)
      untoldCount = 0
    }
    learn(tree, accepted: Set(path.map { $0 - 1 }))
    let seen = Set(path)
    var rows: [DraftRound.Row] = []
    if topCount > 0 {
      for row in 0...tree.count {
        rows.append(
          DraftRound.Row(
            token: row == 0 ? root : tree.nodes[row - 1].token, top: Self.top(topCount, of: row, in: result),
            isAccepted: seen.contains(row)))
      }
    }
    if !isStarted { try await startCheapSources(Array(tokens.dropLast(untoldCount))) }
    let observed = DraftRound(tokens: tokens, newCount: untoldCount, rows: rows)
    for index in sources.indices {
      let start = clock.now
      try await sources[index].observe(observed)
      statistics[index].seconds += (clock.now - start).inSeconds
    }
  }

  /// Lets the sources that cost no passes take in the text up to what they are told next.
  private mutating func startCheapSources(_ tokens: [TokenID]) async throws {
    let begin = clock.now
    for index in sources.indices where !sources[index].isCostly {
      let start = clock.now
      try await sources[index].start(tokens)
      statistics[index].seconds += (clock.now - start).inSeconds
    }
    isStarted = true
    let seconds = (clock.now - begin).inSeconds
    costlySeconds += seconds
    guessing.record(promptTokens: tokens.count, seconds: seconds)
  }

  /// Half of a round, in time.
  private mutating func addRound(_ duration: Duration) {
    let seconds = duration.inSeconds
    roundSeconds += seconds - costlySeconds
    costlySeconds = 0
    spend(seconds)
  }

  /// Charges time of guessing, as soon as it is known what a pass takes.
  private mutating func spend(_ seconds: Double) {
    unpricedSeconds += seconds
    guard let single = costs.singleSeconds, single > 0 else { return }
    ledger.spend(unpricedSeconds / single)
    unpricedSeconds = 0
  }

  private static func top(_ count: Int, of row: Int, in result: BlockResultBuffer) -> [RankedGuess] {
    let normaliser = result.statistics(output: row).logSumExp
    return result.withLogits(output: row) { logits in
      LogitArithmetic.largest(count, of: UnsafeBufferPointer(logits)).map {
        RankedGuess(token: TokenID($0.id), probability: LogitArithmetic.probability($0.value - normaliser))
      }
    }
  }

  /// Counts the guesses whose parents became part of the text: only those were put to the test.
  private mutating func learn(_ tree: TokenTree, accepted: Set<Int>) {
    var depths = [Int](repeating: 0, count: sources.count)
    var right = depths
    for (index, node) in tree.nodes.enumerated() {
      let isTested = accepted.contains(node.parent)
      let isRight = accepted.contains(index)
      for source in sources.indices where node.sources >> UInt64(source) & 1 == 1 {
        if isTested {
          estimates[source].record(confidence: node.confidence, depth: node.depth, isRight: isRight)
        }
        depths[source] = max(depths[source], node.depth)
        if isRight { right[source] = max(right[source], node.depth) }
      }
    }
    for source in sources.indices where sources[source].isCostly && depths[source] > 0 {
      plans[source].learn(drafted: depths[source], right: right[source])
    }
  }
}
