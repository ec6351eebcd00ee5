import ArgumentParser
import Blockwise
import BlockwiseEvaluation

/// `blockwise bench prefill`
struct BenchPrefillCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prefill",
    abstract: "Measure how fast prompts are read.",
    discussion: """
      Prompts of --tokens random tokens are read into an empty cache in passes of --chunk rows, with the logits of the \
      last row only. The roofline adds up the passes: for each the larger of bytes / read bandwidth (weights, and cached \
      keys and values once) and operations / peak, both measured in the same run.

      Examples:
        blockwise bench prefill
        blockwise bench prefill --model q05.gguf --tokens 128,512 --chunk 128,256,512 --threads 2 --json
      """)

  @OptionGroup var measured: MeasuredModel

  @Option(
    name: .long, help: ArgumentHelp("Lengths of prompts. (default: 128,256)", valueName: "128,512"),
    transform: NumberList.parse)
  var tokens: [Int] = [128, 256]

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Rows of one pass. (default: \(PrefillBenchmark.defaultChunkSize), as decoding takes)", valueName: "256"
    ),
    transform: NumberList.parse)
  var chunk: [Int] = [PrefillBenchmark.defaultChunkSize]

  @Option(name: .long, parsing: .unconditional, help: "Measurements of each point.")
  var samples = 5

  @OptionGroup var output: OutputArguments

  func validate() throws {
    do {
      _ = try PrefillBenchmark(tokenCounts: tokens, chunkSizes: chunk, sampleCount: samples)
    } catch {
      throw ValidationError("--" + error.description)
    }
  }

  func run() async throws {
    let benchmark = try PrefillBenchmark(tokenCounts: tokens, chunkSizes: chunk, sampleCount: samples)
    let model = try await measured.load()
    let progress = ProgressLine("Measuring")
    defer { progress.end() }
    let report = try await benchmark.run(model) { progress.update("Measuring \(Int($0 * 100)) %") }
    progress.end()
    if output.json {
      try StandardStream.output.write(json: Self.json(report, model: model))
    } else {
      try StandardStream.output.write(Self.table(report, model: model))
    }
  }

  /// The contract of `bench prefill --json`.
  private static func json(_ report: PrefillBenchmark.Report, model: LanguageModel) -> JSONValue {
    [
      "model": .string(model.path),
      "results": .array(
        report.results.map { result in
          [
            "tokens": .integer(Int64(result.tokenCount)),
            "chunk": .integer(Int64(result.chunkSize)),
            "median_ms": .number(result.samples.median * 1e3),
            "min_ms": .number(result.samples.minimum * 1e3),
            "tokens_per_second": .number(result.tokensPerSecond),
            "best_tokens_per_second": .number(result.bestTokensPerSecond),
            "roofline_ms": .number(result.rooflineSeconds * 1e3),
            "time_split_ms": BenchReport.milliseconds(result.timing, count: result.samples.values.count),
          ]
        }),
      "machine": BenchReport.machine(report.setting),
    ]
  }

  private static func table(_ report: PrefillBenchmark.Report, model: LanguageModel) -> String {
    var table = TextTable([
      "tokens", "chunk", "tokens/s", "best", "median ms", "min ms", "roofline ms", "share",
    ])
    for result in report.results {
      table.append([
        "\(result.tokenCount)", "\(result.chunkSize)", fixed(result.tokensPerSecond, 1),
        fixed(result.bestTokensPerSecond, 1), BenchReport.milliseconds(result.samples.median),
        BenchReport.milliseconds(result.samples.minimum), BenchReport.milliseconds(result.rooflineSeconds),
        BenchReport.share(result.rooflineSeconds, of: result.samples.median),
      ])
    }
    return (BenchReport.heading(report.setting, model: model) + table.lines).joined(separator: "\n") + "\n"
  }
}
