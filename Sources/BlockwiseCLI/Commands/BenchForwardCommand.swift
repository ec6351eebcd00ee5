import ArgumentParser
import Blockwise
import BlockwiseEvaluation

/// `blockwise bench forward`
struct BenchForwardCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forward",
    abstract: "Measure the time of one pass by rows and context: the cost curve.",
    discussion: """
      Every point is the median and the minimum of --samples passes whose row counts take turns. The roofline is the \
      larger of bytes / read bandwidth and operations / peak, both measured in the same run: bytes are the weights and \
      the cached keys and values that the rows see, the peak is that of the engine's own products on weights in the \
      cache. The last column is the share of what the processor's multiply-add instructions allow.

      A curve of 1, 2, 4, 8, 16 and 32 rows at depth 0 is kept in the user's cache folder, where 'blockwise inspect' \
      finds it.

      With several kinds of work of the head (--head) the comparison is with one row and the same work.

      Examples:
        blockwise bench forward
        blockwise bench forward --rows 32 --head statistics,last
        blockwise bench forward --model q05.gguf --rows 1,8,32 --depth 0,512 --threads 2 --json
      """)

  @OptionGroup var measured: MeasuredModel

  @Option(
    name: .long, help: ArgumentHelp("Row counts. (default: 1,2,4,8,16,32,64)", valueName: "1,2,4"),
    transform: NumberList.parse)
  var rows: [Int] = [1, 2, 4, 8, 16, 32, 64]

  @Option(
    name: .long, help: ArgumentHelp("Tokens of context before the rows. (default: 0)", valueName: "0,512"),
    transform: NumberList.parse)
  var depth: [Int] = [0]

  @Option(
    name: .long,
    help: ArgumentHelp(
      """
      What the head computes: logits of all rows, statistics of all rows (enough for greedy decoding), logits of the \
      last row, or none. (default: logits)
      """,
      valueName: "logits,last"),
    transform: Self.heads)
  var head: [HeadWork] = [.logits]

  @Option(name: .long, parsing: .unconditional, help: "Measurements of each point.")
  var samples = 9

  @OptionGroup var output: OutputArguments

  func validate() throws {
    do {
      _ = try ForwardBenchmark(rowCounts: rows, depths: depth, heads: head, sampleCount: samples)
    } catch {
      throw ValidationError("--" + error.description)
    }
  }

  func run() async throws {
    let benchmark = try ForwardBenchmark(rowCounts: rows, depths: depth, heads: head, sampleCount: samples)
    let model = try await measured.load()
    let progress = ProgressLine("Measuring")
    defer { progress.end() }
    let report = try await benchmark.run(model) { progress.update("Measuring \(Int($0 * 100)) %") }
    progress.end()
    if let curve = report.costCurve, let folder = CacheFolder.url, let key = CostCurveKey(model) {
      CostCurveCache(folder: folder).store(curve, for: key)
    }
    if output.json {
      try StandardStream.output.write(json: Self.json(report, model: model))
    } else {
      try StandardStream.output.write(Self.table(report, model: model))
    }
  }

  private static func heads(_ list: String) throws -> [HeadWork] {
    try list.split(separator: ",", omittingEmptySubsequences: false).map { word in
      guard let head = HeadWork(rawValue: String(word)) else {
        let known = HeadWork.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("'\(word)' is none of \(known)")
      }
      return head
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
            "head": .string(result.head.rawValue),
            "median_ms": .number(result.medianSeconds * 1e3),
            "min_ms": .number(result.minimumSeconds * 1e3),
            "roofline_ms": .number(result.rooflineSeconds * 1e3),
            "instruction_share": result.instructionShare.map { .number($0) } ?? .null,
            "time_split_ms": BenchReport.milliseconds(result.timing, count: result.samples.values.count),
          ]
        }),
      "machine": BenchReport.machine(report.setting),
    ]
  }

  private static func table(_ report: ForwardBenchmark.Report, model: LanguageModel) -> String {
    var table = TextTable([
      "depth", "rows", "head", "median ms", "min ms", "roofline ms", "share", "against one row",
      "of instructions",
    ])
    for result in report.results {
      let single = report.results.first {
        $0.depth == result.depth && $0.rowCount == 1 && $0.head == result.head
      }
      table.append([
        "\(result.depth)", "\(result.rowCount)", result.head.rawValue,
        BenchReport.milliseconds(result.medianSeconds),
        BenchReport.milliseconds(result.minimumSeconds), BenchReport.milliseconds(result.rooflineSeconds),
        BenchReport.share(result.rooflineSeconds, of: result.medianSeconds),
        single.map { "\(fixed(result.medianSeconds / max($0.medianSeconds, 1e-12), 2))×" } ?? "",
        result.instructionShare.map(BenchReport.percent) ?? "",
      ])
    }
    return (BenchReport.heading(report.setting, model: model) + table.lines).joined(separator: "\n") + "\n"
  }
}
