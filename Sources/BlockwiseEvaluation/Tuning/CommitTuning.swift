public import Blockwise
internal import Foundation

/// Fits how many positions a pass may decide, on prompts of the user's own: a filter is trained on recorded passes, with the cache that
/// it will be used with, and thresholds, factors and the filter are measured beside it on prompts that it has not seen.
public struct CommitTuning: Sendable {
  /// Prompts as tokens.
  public var prompts: [[TokenID]]
  /// At most so many new tokens per prompt.
  public var maximumTokenCount: Int
  /// The recipe whose slots other than *commit* are used.
  public var recipe: DenoiseRecipe
  /// The share of answers that must be those of one token per pass.
  public var target: Double
  /// Where a filter is written; nil trains none.
  public var filterPath: String?
  /// Sampling and what ends an answer, as for any generation.
  public var options = GenerationOptions()
  /// Steps of the filter's training.
  public var stepCount = 4000

  /// A tuning.
  /// - Throws: ``BenchmarkError/option(name:found:expected:)``.
  public init(
    prompts: [[TokenID]], recipe: DenoiseRecipe, maximumTokenCount: Int = 128, target: Double = 0.95,
    filterPath: String? = nil
  ) throws(BenchmarkError) {
    guard prompts.count >= 4 else {
      throw .option(
        name: "prompts", found: "\(prompts.count)", expected: "at least 4: a part of them is held out")
    }
    try BenchmarkError.check("max-tokens", [maximumTokenCount], in: 1...1 << 20)
    guard (0...1).contains(target) else {
      throw .option(name: "target", found: "\(target)", expected: "a share from 0 to 1")
    }
    self.prompts = prompts
    self.recipe = recipe
    self.maximumTokenCount = maximumTokenCount
    self.target = target
    self.filterPath = filterPath
  }

  /// One commit policy on the held-out prompts.
  public struct Row: Sendable, Hashable {
    /// The recipe.
    public var recipe: String
    /// The commit policy.
    public var commit: String
    /// The share of answers that are those of one token per pass.
    public var sameShare: Double
    /// New tokens.
    public var tokenCount = 0
    /// Passes, those over the prompts not counted.
    public var forwardCount = 0
    /// Their time.
    public var seconds = 0.0

    /// Tokens per pass.
    public var tokensPerForward: Double { Double(tokenCount) / Double(max(1, forwardCount)) }
  }

  /// What came out.
  public struct Report: Sendable, Hashable {
    /// One token per pass, then the others.
    public var rows: [Row]
    /// The one with the fewest passes among those that reach the target; one token per pass where none does.
    public var best: Row
    /// Passes of extremely greedy decoding on the held-out prompts, which a policy can hardly beat, and its tokens.
    public var oracle: Row
    /// Passes that the filter learned from.
    public var recordCount: Int
    /// Prompts that were held out.
    public var heldOutCount: Int
  }

  /// Records, trains and measures.
  /// - Parameter progress: called with what is being done and the share of it that is.
  public func run(
    _ model: LanguageModel, progress: (String, Double) -> Void = { _, _ in }
  ) async throws -> Report {
    let heldOut = stride(from: 0, to: prompts.count, by: 4).map { prompts[$0] }
    let training = prompts.indices.filter { $0 % 4 != 0 }.map { prompts[$0] }
    if let filterPath, let size = recipe.block.gridSize {
      try CommitFilter.check(blockSize: size, path: filterPath)
    }
    try BenchmarkError.check("steps", [stepCount], in: 1...1 << 24)
    var plain = recipe
    plain.commit = QuotaCommit()
    plain.revise = NoRevision()

    func answers(_ recipe: DenoiseRecipe, _ prompts: [[TokenID]], _ label: String) async throws -> [Answer] {
      var found: [Answer] = []
      for (index, prompt) in prompts.enumerated() {
        try Task.checkCancellation()
        progress(label, Double(index) / Double(prompts.count))
        found.append(try await answer(model, recipe, prompt, count: maximumTokenCount))
      }
      return found
    }

    let reference = try await answers(plain, heldOut, "One token per pass")
    var commits: [any CommitPolicy] = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99].map { ThresholdCommit($0) }
    commits += [0.5, 1, 2].map { FactorCommit($0) }
    commits += [LeapCommit(), EntropyBoundedCommit(0.1), EntropyBoundedCommit(0.5)] as [any CommitPolicy]
    var recordCount = 0
    if let filterPath, let size = recipe.block.gridSize {
      let recorder = OracleCommit.Recorder()
      for (index, prompt) in training.enumerated() {
        try Task.checkCancellation()
        progress("Recording", Double(index) / Double(training.count))
        let known = try await answer(model, plain, prompt, count: maximumTokenCount)
        _ = try await oracle(model, plain, prompt, known, recorder)
      }
      let records = recorder.records
      recordCount = records.count
      let filter = fitted(records, size) { progress("Training", $0) }
      try filter.write(to: filterPath, metadata: ["accept": "0.96", "recipe": recipe.text])
      commits += [0.8, 0.9, 0.96, 0.99].map { FilterCommit(filter, path: filterPath, accept: $0) }
    }
    var rows = [row(plain, reference, reference)]
    for commit in commits {
      var tried = recipe
      tried.commit = commit
      rows.append(row(tried, try await answers(tried, heldOut, commit.text), reference))
    }
    var best = rows[0]
    for row in rows where row.sameShare >= target && row.forwardCount < best.forwardCount { best = row }
    var oracleRow = Row(recipe: "", commit: "oracle", sameShare: 1)
    for (index, prompt) in heldOut.enumerated() {
      let statistics = try await oracle(model, plain, prompt, reference[index], OracleCommit.Recorder())
      oracleRow.tokenCount += reference[index].tokens.count
      oracleRow.forwardCount += statistics.forwardCount
      oracleRow.seconds += statistics.decodeSeconds
    }
    return Report(
      rows: rows, best: best, oracle: oracleRow, recordCount: recordCount, heldOutCount: heldOut.count)
  }

  private func fitted(
    _ records: [CommitRecord], _ blockSize: Int, _ progress: (Double) -> Void
  ) -> CommitFilter {
    var training = FilterTraining()
    training.stepCount = stepCount
    return training.fit(records, blockSize: blockSize, progress: progress)
  }

  private struct Answer {
    var tokens: [TokenID]
    var reason: FinishReason
    var statistics: GenerationStatistics
  }

  private func answer(
    _ model: LanguageModel, _ recipe: DenoiseRecipe, _ prompt: [TokenID], count: Int
  ) async throws -> Answer {
    let decoder = try DiffusionDecoder(
      model: model.network, options: model.diffusionOptions(for: options, recipe: recipe))
    var tokens: [TokenID] = []
    let room = max(1, min(count, model.contextLength - prompt.count))
    let (reason, statistics) = try await decoder.generate(
      prompt: prompt, canvas: Array(repeating: nil, count: room), cache: try model.network.makeCache()
    ) { token in
      tokens.append(token.token)
      return true
    }
    return Answer(tokens: tokens, reason: reason, statistics: statistics)
  }

  /// Decodes a known answer, on the canvas that any answer gets, as fast as the model's predictions allow.
  private func oracle(
    _ model: LanguageModel, _ plain: DenoiseRecipe, _ prompt: [TokenID], _ known: Answer,
    _ recorder: OracleCommit.Recorder
  ) async throws -> GenerationStatistics {
    let ends = model.diffusionOptions(for: options, recipe: plain).stopTokens
    let answer = OracleAnswer(
      start: prompt.count, tokens: known.tokens + [known.statistics.endToken].compactMap(\.self),
      isEnded: known.statistics.endToken != nil, endTokens: ends)
    var recipe = plain
    recipe.commit = OracleCommit(answer: answer, recorder: recorder)
    recipe.revise = OracleRevision(answer: answer)
    return try await self.answer(model, recipe, prompt, count: maximumTokenCount).statistics
  }

  private func row(_ recipe: DenoiseRecipe, _ answers: [Answer], _ reference: [Answer]) -> Row {
    var row = Row(recipe: recipe.text, commit: recipe.commit.text, sameShare: 0)
    let same = zip(answers, reference).count { $0.tokens == $1.tokens && $0.reason == $1.reason }
    row.sameShare = Double(same) / Double(max(1, answers.count))
    for answer in answers {
      row.tokenCount += answer.tokens.count
      row.forwardCount += answer.statistics.forwardCount
      row.seconds += answer.statistics.decodeSeconds
    }
    return row
  }
}
