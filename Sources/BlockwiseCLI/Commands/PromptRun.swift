import Blockwise
import BlockwiseEvaluation
import Foundation

/// `blockwise bench decode --prompts`
struct PromptRun {
  var command: BenchDecodeCommand
  var path: String

  func run() async throws {
    let lines = try PromptLines(path)
    let model = try await command.measured.load()
    let prompts = try lines.tokens(model)
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

  private func write(_ results: [PromptBenchmark.Result], to folder: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for (index, result) in results.enumerated() {
      var file = try AtomicFile(path: "\(folder)/\(index).jsonl")
      try file.write(Array(result.traces.map { $0.json.text() + "\n" }.joined().utf8))
      try file.finish()
    }
  }

  /// How much faster than plain decoding a way is, on all prompts together and on the worst one.
  private struct Gains {
    let all, worst: Double

    /// From what every answer takes.
    init(_ costs: [Double], over plain: [Double]) {
      all = plain.reduce(0, +) / max(1e-9, costs.reduce(0, +))
      worst = zip(plain, costs).map { $1 > 0 ? $0 / $1 : 1 }.min() ?? 1
    }
  }

  private func json(
    _ result: PromptBenchmark.Result, plain: PromptBenchmark.Result, curve: CostCurve?
  ) -> JSONValue {
    let gains = Gains(result.seconds, over: plain.seconds)
    let requestGains = Gains(result.requestSeconds, over: plain.requestSeconds)
    let byCosts = curve.map { Gains(result.costs(by: $0), over: plain.costs(by: $0)) }
    let requestByCosts = curve.map { Gains(result.requestCosts(by: $0), over: plain.requestCosts(by: $0)) }
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
      "speed_up": .number(gains.all),
      "worst_speed_up": .number(gains.worst),
      "request_seconds": .number(result.totalRequestSeconds),
      "request_speed_up": .number(requestGains.all),
      "worst_request_speed_up": .number(requestGains.worst),
      "speed_up_by_costs": byCosts.map { .number($0.all) } ?? .null,
      "worst_speed_up_by_costs": byCosts.map { .number($0.worst) } ?? .null,
      "request_speed_up_by_costs": requestByCosts.map { .number($0.all) } ?? .null,
      "worst_request_speed_up_by_costs": requestByCosts.map { .number($0.worst) } ?? .null,
      "differing": .integer(Int64(result.differingCount)),
    ]
  }

  private func table(_ results: [PromptBenchmark.Result], curve: CostCurve?) -> String {
    var table = TextTable(
      [
        "way", "tokens", "passes", "rows", "tokens/pass", "guesses", "right", "seconds", "guessing s",
        "speed-up", "worst", "request", "worst", "differ",
      ] + (curve == nil ? [] : ["by costs", "worst", "request", "worst"]))
    for result in results {
      let gains = Gains(result.seconds, over: results[0].seconds)
      let requestGains = Gains(result.requestSeconds, over: results[0].requestSeconds)
      var row = [
        result.name, "\(result.tokenCount)", "\(result.forwardCount)", "\(result.rowCount)",
        fixed(result.tokensPerForward, 2), "\(result.draftedCount)", "\(result.acceptedCount)",
        fixed(result.totalSeconds, 3), fixed(result.draftSeconds, 3), fixed(gains.all, 2),
        fixed(gains.worst, 2),
        fixed(requestGains.all, 2), fixed(requestGains.worst, 2), "\(result.differingCount)",
      ]
      if let curve {
        let byCosts = Gains(result.costs(by: curve), over: results[0].costs(by: curve))
        let requestByCosts = Gains(result.requestCosts(by: curve), over: results[0].requestCosts(by: curve))
        row += [
          fixed(byCosts.all, 2), fixed(byCosts.worst, 3), fixed(requestByCosts.all, 2),
          fixed(requestByCosts.worst, 3),
        ]
      }
      table.append(row)
    }
    return "\(results[0].seconds.count) prompts, medians of \(command.samples) samples\n"
      + table.lines.joined(separator: "\n") + "\n"
  }
}
