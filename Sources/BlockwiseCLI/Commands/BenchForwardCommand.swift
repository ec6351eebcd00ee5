import ArgumentParser
import Blockwise
import BlockwiseEvaluation
import BlockwiseKernels

/// `blockwise bench forward`
struct BenchForwardCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forward",
    abstract: "Measure the time of one pass by rows and context: the cost curve.",
    discussion: """
      Every point is the median and the minimum of --samples passes whose row counts take turns. The roofline is the \
      larger of weight bytes / read bandwidth and operations / peak, both measured in the same run; the peak is that of \
      the engine's own products on weights in the cache.

      Examples:
        blockwise bench forward
        blockwise bench forward --model q05.gguf --rows 1,8,32 --depth 0,512 --threads 2 --json
      """)

  @OptionGroup var name: ModelName

  @Option(
    name: .long, help: ArgumentHelp("Row counts. (default: 1,2,4,8,16,32,64)", valueName: "1,2,4"),
    transform: NumberList.parse)
  var rows: [Int] = [1, 2, 4, 8, 16, 32, 64]

  @Option(
    name: .long, help: ArgumentHelp("Tokens of context before the rows. (default: 0)", valueName: "0,512"),
    transform: NumberList.parse)
  var depth: [Int] = [0]

  @Option(name: .long, parsing: .unconditional, help: "Measurements of each point.")
  var samples = 9

  @Option(name: .long, help: "Arithmetic.")
  var compute = ModelLoadOptions.Compute.auto

  @Option(name: .long, help: "How keys and values are kept. (default: f32 with --compute f32, else f16)")
  var cacheType: CacheFormat?

  @OptionGroup var computing: ComputeArguments
  @OptionGroup var output: OutputArguments

  func validate() throws {
    do {
      _ = try ForwardBenchmark(rowCounts: rows, depths: depth, sampleCount: samples)
    } catch {
      throw ValidationError("--" + error.description)
    }
  }

  func run() async throws {
    let benchmark = try ForwardBenchmark(rowCounts: rows, depths: depth, sampleCount: samples)
    let model = try await LanguageModel.load(
      name, options: try computing.options(compute: compute, cacheType: cacheType))
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

  /// The contract of `bench forward --json`.
  private static func json(_ report: ForwardBenchmark.Report, model: LanguageModel) -> JSONValue {
    [
      "model": .string(model.path),
      "results": .array(
        report.results.map { result in
          [
            "depth": .integer(Int64(result.depth)),
            "rows": .integer(Int64(result.rowCount)),
            "median_ms": .number(result.medianSeconds * 1e3),
            "min_ms": .number(result.minimumSeconds * 1e3),
            "roofline_ms": .number(result.rooflineSeconds * 1e3),
          ]
        }),
      "machine": [
        "processor": .string(MachineLimits.processorName),
        "threads": .integer(Int64(report.threadCount)),
        "kernels": .string(report.kernelVariant.name),
        "products": .string(report.computesInt8 ? "int8" : "f32"),
        "read_bandwidth_bytes_per_second": .number(report.limits.readBandwidth),
        "peak_operations_per_second": .number(report.limits.operationRate),
        "weight_bytes": .integer(Int64(report.weightByteCount)),
        "weights": .integer(Int64(report.weightCount)),
      ],
    ]
  }

  private static func table(_ report: ForwardBenchmark.Report, model: LanguageModel) -> String {
    var lines = [
      "\(model.path): \(report.weightByteCount >> 20) MiB of weights per pass, \(counted(report.threadCount, "thread")), "
        + "\(report.kernelVariant.name), \(report.computesInt8 ? "int8" : "f32") products",
      "measured here: \(fixed(report.limits.readBandwidth / 1e9, 1)) GB/s read, "
        + "\(fixed(report.limits.operationRate / 1e9, 0)) GOP/s",
      "",
      "depth   rows  median ms     min ms  roofline ms  share   against one row",
    ]
    for result in report.results {
      let single = report.results.first { $0.depth == result.depth && $0.rowCount == 1 }
      let share = result.rooflineSeconds / max(result.medianSeconds, 1e-12)
      let columns = [
        ("\(result.depth)", 5), ("\(result.rowCount)", 7), (fixed(result.medianSeconds * 1e3, 3), 11),
        (fixed(result.minimumSeconds * 1e3, 3), 11), (fixed(result.rooflineSeconds * 1e3, 3), 13),
        ("\(fixed(share * 100, 0)) %", 7),
        (
          single.map { "\(fixed(result.medianSeconds / max($0.medianSeconds, 1e-12), 2))×" } ?? "",
          20
        ),
      ]
      lines.append(
        columns.map { String(repeating: " ", count: max(0, $0.1 - $0.0.count)) + $0.0 }.joined())
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
