import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseKernels
import BlockwiseModels
import Testing

/// Draft models and heads read the text themselves: when, how much, and what becomes of them where it is too long.
@Suite struct SourceReadingTests {
  /// A source of the text form; models and heads are those of the fixtures.
  static func source(_ name: String, _ model: DecoderModel, contextLength: Int = 512) throws
    -> any DraftSource
  {
    var resources = DraftResources(
      traits: model.traits, vocabularyLimit: 288, contextLength: contextLength)
    let kind = name.split(separator: "-")[0]
    switch name {
    case "model":
      return try DraftModelSource(
        model: model, growth: .chain(4), contextLength: contextLength, vocabularyLimit: 288)
    case "suffix", "recycle", "adaptive":
      return try DraftRecipe("\(name)").sources[0].policy.makeSource(resources)
    default:
      resources.heads = try DraftHeads.load(
        path: "\(DraftHeadTests.fixtures)/heads/\(name)", target: model)
      return try DraftRecipe("\(kind):x").sources[0].policy.makeSource(resources)
    }
  }

  @Test(arguments: ["hydra-prefix", "eagle", "model"], [9, 16, 30])
  func `a source whose context ends before the text goes silent and changes nothing`(
    name: String, contextLength: Int
  ) async throws {
    let model = try DraftHeadTests.model()
    let prompt: [TokenID] = (0..<12).map { TokenID(($0 * 37 + 5) % 280) }
    let plain = AutoregressiveOptions(maximumTokenCount: 60)
    let expected = try await Decoded.plain(model, prompt: prompt, plain)
    let memory = DraftMemory()
    for _ in 0..<2 {
      let (found, statistics) = try await Decoded.speculative(
        model, prompt: prompt,
        SpeculativeOptions(
          plain: plain, sources: [(name, try Self.source(name, model, contextLength: contextLength))],
          shape: WholeShaper(limit: 12), memory: memory))
      #expect(found == expected)
      let drafted = statistics.draftedForwardCount
      #expect(contextLength == 30 ? drafted > 0 : true, "\(drafted)")
      #expect(drafted <= max(0, contextLength - prompt.count + 1), "\(drafted) passes with guesses")
    }
  }

  /// Writes down what it is told, and guesses what it likes.
  private struct WitnessSource: DraftSource {
    final class Record: Sendable {
      let texts = Protected<(started: [[TokenID]], told: [TokenID], isGapless: Bool)>(([], [], true))
    }
    let record = Record()
    let vocabularyCount: Int

    mutating func start(_ prompt: [TokenID]) {
      record.texts.withLock { ($0.started, $0.told) = ($0.started + [prompt], prompt) }
    }

    mutating func observe(_ round: DraftRound) {
      record.texts.withLock { texts in
        let isNext = texts.told == Array(round.tokens.dropLast(round.newCount))
        texts.isGapless = texts.isGapless && isNext && !texts.started.isEmpty
        texts.told = round.tokens
      }
    }

    mutating func propose(_ context: DraftContext) -> TokenTree {
      record.texts.withLock { $0.isGapless = $0.isGapless && $0.told == context.tokens }
      return TokenTree(chain: [TokenID(context.round % vocabularyCount), 1, 2], confidence: 0.9)
    }
  }

  @Test(arguments: ["all", "best(2)", "cost(32)", "cost(8,0.5)"], 0..<8)
  func `a source is told the prompt once and then every token in order, late or never`(
    shape: String, seed: Int
  ) async throws {
    let model = hashedModel(seed: UInt64(seed))
    let prompt = (0..<(3 + 5 * seed)).map { TokenID(($0 * 7 + seed) % 12) }
    let plain = AutoregressiveOptions(maximumTokenCount: 40)
    let source = WitnessSource(vocabularyCount: 12)
    var options = SpeculativeOptions(
      plain: plain, sources: [("witness", source)], shape: try DraftRecipe("suffix,shape=\(shape)").shape)
    // The more a row costs, the later a guess can be paid; with the largest of these never.
    options.costCurve = CostCurve([
      CostCurve.Point(rowCount: 1, milliseconds: 1e6),
      CostCurve.Point(rowCount: 2, milliseconds: 1e6 * [1.01, 1.1, 1.4, 9][seed % 4]),
    ])
    let (found, statistics) = try await Decoded.speculative(model, prompt: prompt, options)
    #expect(found == (try await Decoded.plain(model, prompt: prompt, plain)))
    let texts = source.record.texts.withLock { $0 }
    #expect(texts.isGapless, "seed \(seed)")
    #expect(texts.started.count <= 1 && texts.started.allSatisfy { $0 == prompt }, "\(texts.started)")
    let isPaid = shape != "cost(32)" || seed % 4 < 3
    #expect(texts.started.isEmpty == !isPaid, "seed \(seed): \(texts.started.count)")
    // Where half may be lost the dearest guess can be paid, and is not worth it.
    let isWorthIt = !shape.hasPrefix("cost") || seed % 4 < 3
    #expect((statistics.draftedForwardCount > 0) == isWorthIt, "seed \(seed)")
  }

  @Test(arguments: ["hydra-prefix", "eagle", "model"])
  func `reading apart from a proposal changes no guess`(name: String) async throws {
    let model = try DraftHeadTests.model()
    let tokens: [TokenID] = (0..<40).map { TokenID(($0 * 37 + 5) % 280) }
    let result = BlockResultBuffer()
    var trees: [TokenTree] = []
    for isApart in [false, true] {
      var source = try Self.source(name, model)
      let taps = source.wantedTaps
      if !taps.isEmpty {
        let plan = BlockPlan(
          tokens: tokens.dropLast(), at: 0, outputs: OutputRequest(rows: .none, taps: taps))
        try await model.forward([SequencePass(plan: plan, cache: model.makeCache())], into: result)
        var values: [OutputRequest.Tap: [Float]] = [:]
        for tap in taps { values[tap] = Array(try #require(result.hiddenStates(tap))) }
        try await source.read(TokenStates(firstPosition: 0, count: tokens.count - 1, values: values))
      }
      try await source.start(tokens)
      if isApart {
        let count = try source.unreadCount(tokens)
        #expect(count >= 38)
        #expect(try await source.prepare(tokens) == count)
        #expect(try source.unreadCount(tokens) == 0)
        #expect(try await source.prepare(tokens) == 0)
      }
      trees.append(
        try await source.propose(DraftContext(tokens: tokens, maximumNodeCount: 12, maximumDepth: 4)))
    }
    #expect(!trees[0].isEmpty)
    #expect(trees[0] == trees[1])
  }

  @Test func `a draft model that has missed a turn is not read into the next at plain decoding's expense`()
    async throws
  {
    let curve = try #require(
      CostCurve([
        CostCurve.Point(rowCount: 1, milliseconds: 1e6), CostCurve.Point(rowCount: 65, milliseconds: 3e6),
      ]))
    let draft = hashedModel(contextLength: 800)
    let model = hashedModel(contextLength: 800)
    let cache = try model.makeCache(contextLength: 800)
    let memory = DraftMemory()
    var text: [TokenID] = (0..<500).map { TokenID($0 * 5 % 12) }
    // In the first turn it is too dear to be asked; in the second a step is cheap, but 500 rows are not.
    for (stepCost, count) in [(0.9, 6), (0.02, 6), (0.02, 120)] {
      let before = draft.passCounts.rows
      text.append(TokenID(count % 12))
      var options = SpeculativeOptions(
        plain: AutoregressiveOptions(maximumTokenCount: count),
        sources: [
          (
            "model",
            try DraftModelSource(
              model: draft, growth: .chain(4), contextLength: 800, vocabularyLimit: 12)
          )
        ], costCurve: curve, memory: memory)
      options.stepCost = stepCost
      let (_, statistics) = try await SpeculativeDecoder(model: model, options: options)
        .generate(prompt: text, cache: cache) {
          text.append($0.token)
          return true
        }
      let rows = draft.passCounts.rows - before
      if count == 6 { #expect(rows == 0, "step cost \(stepCost): \(rows) rows") }
      // A longer answer earns the reading, and is faster for it.
      if count == 120 { #expect(rows > 500 && statistics.forwardCount < 60, "\(rows), \(statistics)") }
    }
  }

  @Test(arguments: [(0.02, true), (0.05, false)])
  func `a draft model reads the prompt with the model where that takes less than 3 percent of it`(
    stepCost: Double, isRead: Bool
  ) async throws {
    let curve = try #require(
      CostCurve([
        CostCurve.Point(rowCount: 1, milliseconds: 1e6), CostCurve.Point(rowCount: 65, milliseconds: 3e6),
      ]))
    let draft = hashedModel(contextLength: 600)
    let prompt: [TokenID] = (0..<300).map { TokenID($0 * 5 % 12) }
    var options = SpeculativeOptions(
      plain: AutoregressiveOptions(maximumTokenCount: 3),
      sources: [
        (
          "model",
          try DraftModelSource(model: draft, growth: .chain(4), contextLength: 600, vocabularyLimit: 12)
        )
      ], costCurve: curve)
    options.stepCost = stepCost
    let (_, statistics) = try await Decoded.speculative(
      hashedModel(contextLength: 600), prompt: prompt, options)
    #expect((draft.passCounts.rows >= 299) == isRead)
    #expect((statistics.guessingReadCost > 0) == isRead)
    #expect(statistics.guessingReadCost <= 0.03 * curve.relativeCost(rows: 300))
  }
}
