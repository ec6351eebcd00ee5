import Blockwise
import BlockwiseEvaluation
import Foundation

/// `blockwise bench decode --prompts`
struct PromptRun {
  var command: BenchDecodeCommand
  var path: String

  /// Tokens of a plain text that are its prompt.
  private static let openingCount = 16

  func run() async throws {
    let lines = TextInput.lines(try TextInput.text(try TextInput.file(path), from: path))
    let model = try await command.measured.load()
    let prompts = try lines.enumerated().filter { !$0.element.allSatisfy(\.isWhitespace) }
      .map { try prompt(String($0.element), line: $0.offset + 1, model) }
    let ways = try ways(model)
    let benchmark: PromptBenchmark
    do {
      benchmark = try PromptBenchmark(prompts: prompts, ways: ways, sampleCount: command.samples)
    } catch {
      throw UsageError("--" + error.description)
    }
    for way in ways { _ = try model.decision(for: way.options) }
    let progress = ProgressLine("Measuring")
    defer { progress.end() }
    let results = try await benchmark.run(model) { progress.update("Measuring \(Int($0 * 100)) %") }
    progress.end()
    for note in Set(try ways.compactMap { try model.decision(for: $0.options).note }) {
      StandardStream.error.note("Note: \(note).")
    }
    if let folder = command.traces { try write(results, to: folder) }
    let curve = try command.costs.map(self.curve)
    if command.output.json {
      try StandardStream.output.write(
        json: [
          "model": .string(model.path),
          "results": .array(results.map { json($0, plain: results[0], curve: curve) }),
        ])
    } else {
      try StandardStream.output.write(table(results, curve: curve))
    }
  }

  private func ways(_ model: LanguageModel) throws -> [PromptBenchmark.Way] {
    var base = GenerationOptions(
      maximumTokenCount: command.tokens, sampling: command.sampling(model.recommendedSampling))
    base.showsSpecialTokens = true
    base.costCurve = try command.costs.map(curve)
    base.draftStepCost = command.stepCost
    var ways: [PromptBenchmark.Way] = []
    if model.traits.isAutoregressive {
      var plain = base
      plain.method = .autoregressive
      ways.append(PromptBenchmark.Way(name: "ar", options: plain))
    }
    for draft in command.draft {
      var options = base
      options.method = draft == "none" ? .autoregressive : .speculative
      options.draft = draft
      ways.append(PromptBenchmark.Way(name: draft, options: options))
    }
    for recipe in command.recipe {
      var options = base
      options.method = .diffusion
      options.recipe = try MethodArguments.text(of: recipe)
      ways.append(PromptBenchmark.Way(name: recipe, options: options))
    }
    return ways
  }

  /// The cost curve in the output of `bench forward --json`, at the smallest depth.
  private func curve(_ path: String) throws -> CostCurve {
    let bytes = try TextInput.file(path)
    func refuse(_ reason: String) -> StreamError { StreamError.cannotRead(file: path, reason: reason) }
    do {
      let results = try JSONValue(parsing: bytes).array("results")
      let points = try results.map {
        (
          depth: try $0.integer("depth"),
          point: CostCurve.Point(rowCount: try $0.integer("rows"), milliseconds: try $0.number("median_ms"))
        )
      }
      let depth = points.map(\.depth).min() ?? 0
      guard let curve = CostCurve(points.filter { $0.depth == depth }.map(\.point)) else {
        throw refuse("expected rising row counts from 1 on with positive times")
      }
      return curve
    } catch let error as StreamError {
      throw error
    } catch {
      throw refuse("\(error)")
    }
  }

  private func prompt(_ line: String, line number: Int, _ model: LanguageModel) throws -> [TokenID] {
    guard path.hasSuffix(".jsonl") else { return model.promptTokens(line) }
    func refuse(_ reason: String) -> StreamError {
      StreamError.cannotRead(file: path, reason: "line \(number): \(reason)")
    }
    do {
      let json = try JSONValue(parsing: Array(line.utf8))
      if let messages = try json.arrayIfPresent("messages") {
        let tools = try json.arrayIfPresent("tools").map { JSONValue.array($0) }
        return try model.chatTokens(
          try messages.map { try ChatMessage($0) }, options: ChatOptions(tools: tools))
      }
      if let prompt = try json.value("prompt")?.stringValue { return model.promptTokens(prompt) }
      if let text = try json.value("text")?.stringValue {
        return Array(model.promptTokens(text).prefix(Self.openingCount))
      }
      throw refuse("expected \"messages\", \"prompt\" or \"text\"")
    } catch let error as StreamError {
      throw error
    } catch {
      throw refuse("\(error)")
    }
  }

  private func write(_ results: [PromptBenchmark.Result], to folder: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for (index, result) in results.enumerated() {
      var file = try AtomicFile(path: "\(folder)/\(index).jsonl")
      try file.write(Array(result.traces.map { $0.json.text() + "\n" }.joined().utf8))
      try file.finish()
    }
  }

  /// Plain's costs over a way's, by the curve: of all answers together, and of the worst one.
  private func costGains(
    _ result: PromptBenchmark.Result, over plain: PromptBenchmark.Result, by curve: CostCurve
  ) -> (all: Double, worst: Double) {
    let (costs, plainCosts) = (result.costs(by: curve), plain.costs(by: curve))
    return (
      plainCosts.reduce(0, +) / max(1e-9, costs.reduce(0, +)),
      zip(plainCosts, costs).map { $1 > 0 ? $0 / $1 : 1 }.min() ?? 1
    )
  }

  private func json(
    _ result: PromptBenchmark.Result, plain: PromptBenchmark.Result, curve: CostCurve?
  ) -> JSONValue {
    let speedUps = result.speedUps(over: plain)
    let gains = curve.map { costGains(result, over: plain, by: $0) }
    return [
      "name": .string(result.name),
      "prompts": .integer(Int64(result.seconds.count)),
      "tokens": .integer(Int64(result.tokenCount)),
      "forwards": .integer(Int64(result.forwardCount)),
      "rows": .integer(Int64(result.rowCount)),
      "tokens_per_forward": .number(result.tokensPerForward),
      "drafted": .integer(Int64(result.draftedCount)),
      "accepted": .integer(Int64(result.acceptedCount)),
      "draft_steps": .integer(Int64(result.stepCount)),
      "seconds": .number(result.totalSeconds),
      "draft_seconds": .number(result.draftSeconds),
      "speed_up": .number(plain.totalSeconds / max(1e-9, result.totalSeconds)),
      "worst_speed_up": .number(speedUps.min() ?? 1),
      "speed_up_by_costs": gains.map { .number($0.all) } ?? .null,
      "worst_speed_up_by_costs": gains.map { .number($0.worst) } ?? .null,
      "differing": .integer(Int64(result.differingCount)),
    ]
  }

  private func table(_ results: [PromptBenchmark.Result], curve: CostCurve?) -> String {
    var table = TextTable(
      [
        "way", "tokens", "passes", "rows", "tokens/pass", "guesses", "right", "seconds", "guessing s",
        "speed-up", "worst", "differ",
      ] + (curve == nil ? [] : ["by costs", "worst"]))
    for result in results {
      let gains = curve.map { costGains(result, over: results[0], by: $0) }
      table.append(
        [
          result.name, "\(result.tokenCount)", "\(result.forwardCount)", "\(result.rowCount)",
          fixed(result.tokensPerForward, 2), "\(result.draftedCount)", "\(result.acceptedCount)",
          fixed(result.totalSeconds, 3), fixed(result.draftSeconds, 3),
          fixed(results[0].totalSeconds / max(1e-9, result.totalSeconds), 2),
          fixed(result.speedUps(over: results[0]).min() ?? 1, 2), "\(result.differingCount)",
        ] + (gains.map { [fixed($0.all, 2), fixed($0.worst, 3)] } ?? []))
    }
    return "\(results[0].seconds.count) prompts, medians of \(command.samples) samples\n"
      + table.lines.joined(separator: "\n") + "\n"
  }
}
