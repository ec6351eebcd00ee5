import ArgumentParser
import Blockwise
import BlockwiseEvaluation
import BlockwiseKernels

/// `blockwise bench load`
struct BenchLoadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load",
    abstract: "Measure loading: from a path to a model that is ready, and to its first token.",
    discussion: """
      Loads the model --samples times anew in this process. The first time may read the disk; later ones find the file in \
      the system's page cache. The first token follows a prompt of --tokens random tokens; its time counts from the start \
      of loading, not from the start of the process.

      Examples:
        blockwise bench load
        blockwise bench load --model q05.gguf --samples 9 --threads 2 --json
      """)

  @OptionGroup var measured: MeasuredModel

  @Option(name: .long, parsing: .unconditional, help: "How often the model is loaded.")
  var samples = 5

  @Option(name: .long, parsing: .unconditional, help: "Tokens of the prompt before the first token.")
  var tokens = 8

  @OptionGroup var output: OutputArguments

  func validate() throws {
    do {
      _ = try LoadBenchmark(sampleCount: samples, promptTokenCount: tokens)
    } catch {
      throw ValidationError("--" + error.description)
    }
  }

  func run() async throws {
    let benchmark = try LoadBenchmark(sampleCount: samples, promptTokenCount: tokens)
    let progress = ProgressLine("Loading \(measured.name.model)")
    defer { progress.end() }
    let report = try await benchmark.run(
      measured.name.model, options: try measured.options(), locator: ModelName.locator
    ) {
      progress.update("Loading \(measured.name.model) \(Int($0 * 100)) %")
    }
    progress.end()
    if output.json {
      try StandardStream.output.write(json: Self.json(report))
    } else {
      try StandardStream.output.write(Self.table(report))
    }
  }

  /// The parts of loading with their names.
  private static var parts: [(name: String, key: String, part: KeyPath<LoadTiming, Double>)] {
    [
      ("open and parse", "open", \.open), ("tokenizer", "tokenizer", \.tokenizer),
      ("pack weights", "weights", \.weights), ("other", "other", \.other), ("ready", "total", \.total),
    ]
  }

  /// The contract of `bench load --json`.
  private static func json(_ report: LoadBenchmark.Report) -> JSONValue {
    let samples = report.samples.map { sample -> JSONValue in
      var object = JSONObject()
      for (_, key, part) in parts { object[key + "_seconds"] = .number(sample.timing[keyPath: part]) }
      object["first_token_seconds"] = sample.firstTokenSeconds.map { .number($0) } ?? .null
      return .object(object)
    }
    return [
      "model": .string(report.summary.file),
      "file_bytes": .integer(Int64(report.fileByteCount)),
      "weight_bytes": .integer(Int64(report.summary.weightByteCount)),
      "median_seconds": .number(report.part(\.total).median),
      "min_seconds": .number(report.part(\.total).minimum),
      "pack_bytes_per_second": .number(report.packingRate),
      "prompt_tokens": .integer(Int64(report.promptTokenCount)),
      "first_token_median_seconds": report.firstToken.map { .number($0.median) } ?? .null,
      "first_token_min_seconds": report.firstToken.map { .number($0.minimum) } ?? .null,
      "peak_memory_bytes": report.peakMemoryByteCount.map { .integer(Int64($0)) } ?? .null,
      "samples": .array(samples),
      "machine": [
        "processor": .string(MachineLimits.processorName),
        "threads": .integer(Int64(report.summary.threadCount)),
        "kernels": .string(report.summary.kernelVariant.name),
        "products": .string(report.summary.computesInt8 ? "int8" : "f32"),
        "cache": .string(report.summary.cacheFormat.name),
      ],
    ]
  }

  private static func table(_ report: LoadBenchmark.Report) -> String {
    let summary = report.summary
    var table = TextTable(["phase", "median ms", "min ms", "first ms"])
    func add(_ name: String, _ samples: Samples) {
      table.append([
        name, BenchReport.milliseconds(samples.median), BenchReport.milliseconds(samples.minimum),
        BenchReport.milliseconds(samples.values.first ?? 0),
      ])
    }
    for (name, _, part) in parts { add(name, report.part(part)) }
    if let firstToken = report.firstToken {
      add("first token behind \(report.promptTokenCount)", firstToken)
    }
    var lines = [
      "\(summary.file): \(report.fileByteCount >> 20) MiB in the file, \(summary.weightByteCount >> 20) MiB packed, "
        + "\(counted(summary.threadCount, "thread")), \(summary.kernelVariant.name)",
      "packed at \(fixed(report.packingRate / 1e9, 2)) GB/s",
    ]
    if let peak = report.peakMemoryByteCount {
      let ratio = Double(peak) / Double(max(1, summary.weightByteCount))
      lines.append(
        "\(peak >> 20) MiB of memory at most, \(fixed(ratio, 2)) times the packed weights")
    }
    return (lines + [""] + table.lines).joined(separator: "\n") + "\n"
  }
}
