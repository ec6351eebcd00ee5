import ArgumentParser
import Blockwise
import BlockwiseEvaluation

/// `blockwise bench decode`
struct BenchDecodeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode",
    abstract: "Measure tokens per second, beside the single-row pass they rest on.",
    discussion: """
      Tokens are decoded one per pass where the model allows it, else as 'generate' does it, and by every --recipe; sampler and detokenizer included, behind random prompts of --depth \
      tokens (at least one). In the same run passes over one row in the middle of each stretch are timed: 'of pass' is \
      what decoding reaches of the speed that they imply. The roofline is weights and cached keys and values over the \
      read bandwidth measured beside it. Sampling is what the checkpoint recommends unless options say otherwise.

      --prompts takes texts instead of random prompts: lines of text, or of .jsonl files "messages" (through the chat \
      template), "prompt", or the first 16 tokens of "text". Plain decoding and every --draft and --recipe continue each of \
      them in turns; the table says how much faster than plain they are on all and on the worst prompt, in decoding and for \
      the whole request with the reading of the prompt, and how many answers differ from the plain ones; with --costs also \
      by those costs, guessing included.

      --replay takes passes that 'eval tasks --trace' has recorded and runs passes of the same shapes on this model, with \
      random tokens: what a way of decoding would cost here. Several files take turns, answer by answer.

      Examples:
        blockwise bench decode
        blockwise bench decode --model q05.gguf --replay ar.jsonl --replay blocks.jsonl
        blockwise bench decode --prompts questions.jsonl --draft auto --draft lookup --traces traces
        blockwise bench decode --model q05.gguf --depth 0,512 --tokens 64 --samples 9 --threads 2 --json
      """)

  @OptionGroup var measured: MeasuredModel

  @Option(
    name: .long,
    help: ArgumentHelp("Tokens of context before the decoded ones. (default: 0)", valueName: "0,512"),
    transform: NumberList.parse)
  var depth: [Int] = [0]

  @Option(name: .long, parsing: .unconditional, help: "Tokens of one measurement.")
  var tokens = 64

  @Option(name: .long, parsing: .unconditional, help: "Measurements at each depth.")
  var samples = 5

  @Option(
    name: .long, parsing: .unconditional,
    help: ArgumentHelp(
      "0 always takes the most likely token. (default: what the checkpoint recommends, else 0)"))
  var temperature: Float?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Also measure a way of filling masks; see 'generate'. Can be repeated.", valueName: "recipe"))
  var recipe: [String] = []

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Also measure a way of guessing; see 'generate'. Needs --prompts. Can be repeated.",
      valueName: "sources"))
  var draft: [String] = []

  @Option(name: .long, help: "Texts to continue, instead of random prompts.", completion: .file())
  var prompts: String?

  @Option(
    name: .long, help: "Write the passes of every way to a file in this folder, for --replay.",
    completion: .directory)
  var traces: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Guess as passes would pay that cost what 'bench forward --json' has measured, on this or another model.",
      valueName: "file"),
    completion: .file())
  var costs: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "With --costs: what a step of a draft model or a level of heads costs there, in passes of one row. (default: as measured here)",
      valueName: "0.1"))
  var stepCost: Double?

  @Option(name: .long, help: "Replay recorded passes. Can be repeated.", completion: .file())
  var replay: [String] = []

  @OptionGroup var output: OutputArguments

  func validate() throws {
    if prompts == nil, !draft.isEmpty || traces != nil || costs != nil {
      throw ValidationError(
        "--draft, --traces and --costs need --prompts: random prompts say nothing of guesses")
    }
    if costs != nil, draft.isEmpty {
      throw ValidationError("--costs needs --draft: only guesses look at costs")
    }
    if let stepCost, costs == nil || !(0...1000).contains(stepCost) {
      throw ValidationError("--step-cost is \(stepCost), expected 0 to 1000 and --costs beside it")
    }
    if prompts != nil, depth != [0] || !replay.isEmpty {
      throw ValidationError("--prompts takes no --depth and no --replay")
    }
    if !replay.isEmpty, depth != [0] || tokens != 64 || temperature != nil || !recipe.isEmpty {
      throw ValidationError(
        "--replay takes depths and passes as recorded: no --depth, --tokens, --temperature, --recipe")
    }
    do {
      _ = try DecodeBenchmark(depths: depth, tokenCount: tokens, sampleCount: samples)
    } catch {
      throw ValidationError("--" + error.description)
    }
    do {
      try sampling(SamplingOptions()).validate()
    } catch {
      throw ValidationError(error.description)
    }
  }

  func sampling(_ recommended: SamplingOptions) -> SamplingOptions {
    var options = recommended
    if let temperature { options.temperature = temperature }
    return options
  }

  func run() async throws {
    if !replay.isEmpty { return try await runReplay() }
    if let prompts { return try await PromptRun(command: self, path: prompts).run() }
    var benchmark = try DecodeBenchmark(depths: depth, tokenCount: tokens, sampleCount: samples)
    benchmark.recipes = try recipe.compactMap { try MethodArguments.text(of: $0) }
    let model = try await measured.load()
    benchmark.methods = [model.traits.isAutoregressive ? .autoregressive : .auto]
    let progress = ProgressLine("Measuring")
    defer { progress.end() }
    let sampling = sampling(model.recommendedSampling)
    let report = try await benchmark.run(model, sampling: sampling) {
      progress.update("Measuring \(Int($0 * 100)) %")
    }
    progress.end()
    if output.json {
      try StandardStream.output.write(json: Self.json(report, model: model, sampling: sampling))
    } else {
      try StandardStream.output.write(Self.table(report, model: model, sampling: sampling))
    }
  }

  private func runReplay() async throws {
    let recordings = try replay.map { ($0, try PassTrace.load($0)) }
    let benchmark: ReplayBenchmark
    do {
      benchmark = try ReplayBenchmark(recordings: recordings, sampleCount: samples)
    } catch {
      throw UsageError("--" + error.description)
    }
    let model = try await measured.load()
    let progress = ProgressLine("Replaying")
    defer { progress.end() }
    let results = try await benchmark.run(model) { progress.update("Replaying \(Int($0 * 100)) %") }
    progress.end()
    if output.json {
      try StandardStream.output.write(
        json: [
          "model": .string(model.path),
          "results": .array(
            results.map { result in
              [
                "file": .string(result.name), "method": .string(result.method),
                "tokens": .integer(Int64(result.tokenCount)), "passes": .integer(Int64(result.passCount)),
                "rows": .integer(Int64(result.rowCount)), "median_seconds": .number(result.seconds.median),
                "min_seconds": .number(result.seconds.minimum),
              ]
            }),
        ])
      return
    }
    var table = TextTable(["recording", "tokens", "passes", "rows", "seconds", "best", "tokens/s"])
    for result in results {
      table.append([
        result.name, "\(result.tokenCount)", "\(result.passCount)", "\(result.rowCount)",
        fixed(result.seconds.median, 3), fixed(result.seconds.minimum, 3),
        fixed(Double(result.tokenCount) / max(1e-9, result.seconds.median), 1),
      ])
    }
    try StandardStream.output.write(table.lines.joined(separator: "\n") + "\n")
  }

  /// The contract of `bench decode --json`.
  private static func json(
    _ report: DecodeBenchmark.Report, model: LanguageModel, sampling: SamplingOptions
  ) -> JSONValue {
    [
      "model": .string(model.path),
      "sampling": .string(GenerationReport.words(sampling)),
      "results": .array(report.results.map(json)),
      "machine": BenchReport.machine(report.setting),
    ]
  }

  private static func json(_ result: DecodeBenchmark.Result) -> JSONValue {
    var split = JSONObject()
    for (name, seconds) in (result.split / result.committedCount).parts {
      split[name.replacing(" ", with: "_")] = .number(seconds * 1e3)
    }
    return [
      "method": .string(result.method),
      "recipe": .string(result.recipe),
      "depth": .integer(Int64(result.depth)),
      "tokens": .integer(Int64(result.tokenCount)),
      "samples": .integer(Int64(result.secondsPerToken.values.count)),
      "tokens_per_second": .number(result.tokensPerSecond),
      "best_tokens_per_second": .number(result.bestTokensPerSecond),
      "tokens_per_forward": .number(result.tokensPerForward),
      "median_ms_per_token": .number(result.secondsPerToken.median * 1e3),
      "min_ms_per_token": .number(result.secondsPerToken.minimum * 1e3),
      "pass_depth": .integer(Int64(result.singleRowDepth)),
      "pass_median_ms": .number(result.singleRowPass.median * 1e3),
      "pass_min_ms": .number(result.singleRowPass.minimum * 1e3),
      "share_of_pass": .number(result.shareOfPass),
      "roofline_ms": .number(result.rooflineSeconds * 1e3),
      "time_split_ms": .object(split),
    ]
  }

  private static func table(
    _ report: DecodeBenchmark.Report, model: LanguageModel, sampling: SamplingOptions
  ) -> String {
    var speeds = TextTable([
      "method", "depth", "tokens/s", "best", "ms/token", "pass ms", "of pass", "roofline ms", "share",
      "tokens/pass",
    ])
    var splits = TextTable(["method", "depth"] + TimeSplit().parts.map(\.name))
    for result in report.results {
      let name = result.method + (result.recipe.isEmpty ? "" : " " + result.recipe)
      let median = result.secondsPerToken.median
      speeds.append([
        name, "\(result.depth)", fixed(result.tokensPerSecond, 1), fixed(result.bestTokensPerSecond, 1),
        BenchReport.milliseconds(median), BenchReport.milliseconds(result.singleRowPass.median),
        BenchReport.percent(result.shareOfPass), BenchReport.milliseconds(result.rooflineSeconds),
        BenchReport.share(result.rooflineSeconds, of: median), fixed(result.tokensPerForward, 2),
      ])
      let split = result.split / result.committedCount
      splits.append(
        [name, "\(result.depth)"]
          + split.parts.map {
            "\(BenchReport.milliseconds($0.seconds)) (\(BenchReport.share($0.seconds, of: split.total)))"
          })
    }
    var lines = BenchReport.heading(report.setting, model: model)
    lines.insert("sampling: " + GenerationReport.words(sampling), at: 1)
    lines += speeds.lines + ["", "milliseconds per token:"] + splits.lines
    return lines.joined(separator: "\n") + "\n"
  }
}
