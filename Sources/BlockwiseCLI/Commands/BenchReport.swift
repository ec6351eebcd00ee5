import Blockwise
import BlockwiseEvaluation
import BlockwiseKernels

/// What the reports of all benchmarks share.
enum BenchReport {
  /// The member `machine` of their JSON.
  static func machine(_ setting: BenchmarkSetting) -> JSONValue {
    [
      "processor": .string(MachineLimits.processorName),
      "threads": .integer(Int64(setting.threadCount)),
      "kernels": .string(setting.kernelVariant.name),
      "products": .string(setting.computesInt8 ? "int8" : "f32"),
      "cache": .string(setting.cacheFormat.name),
      "read_bandwidth_bytes_per_second": .number(setting.limits.readBandwidth),
      "best_read_bandwidth_bytes_per_second": .number(setting.limits.bestReadBandwidth),
      "peak_products": .string(setting.limits.isInt8 ? "int8" : "f32"),
      "peak_operations_per_second": .number(setting.limits.operationRate),
      "instruction_peak_operations_per_second": setting.limits.instructionRate.map { .number($0) } ?? .null,
      "weight_bytes": .integer(Int64(setting.weightByteCount)),
      "weights": .integer(Int64(setting.weightCount)),
    ]
  }

  /// The first lines of their tables: the model, and what the machine showed.
  static func heading(_ setting: BenchmarkSetting, model: LanguageModel) -> [String] {
    let limits = setting.limits
    let unit = limits.isInt8 ? "GOP/s int8" : "GFLOP/s f32"
    let peak = limits.instructionRate.map { " of \(fixed($0 / 1e9, 0)) that the instructions allow" } ?? ""
    return [
      "\(model.path): \(setting.weightByteCount >> 20) MiB of weights per pass, "
        + "\(counted(setting.threadCount, "thread")), \(setting.kernelVariant.name), "
        + "\(setting.computesInt8 ? "int8" : "f32") products, \(setting.cacheFormat.name) cache",
      "measured here: \(fixed(limits.readBandwidth / 1e9, 1)) GB/s read "
        + "(at best \(fixed(limits.bestReadBandwidth / 1e9, 1))), "
        + "\(fixed(limits.operationRate / 1e9, 0)) \(unit) in products\(peak)",
      "",
    ]
  }

  /// Milliseconds per part of a pass.
  static func milliseconds(_ timing: PassTiming, count: Int) -> JSONValue {
    let scale = 1e3 / Double(max(1, count))
    return [
      "weights": .number(timing.weights * scale), "attention": .number(timing.attention * scale),
      "head": .number(timing.head * scale), "other_pass": .number(timing.other * scale),
    ]
  }

  /// `12.345` and `82 %`.
  static func share(_ part: Double, of whole: Double) -> String {
    percent(whole > 0 ? part / whole : 0)
  }

  /// `82 %`
  static func percent(_ share: Double) -> String { "\(fixed(share * 100, 0)) %" }

  /// Milliseconds with three decimals.
  static func milliseconds(_ seconds: Double) -> String { fixed(seconds * 1e3, 3) }
}

extension TimeSplit {
  /// The parts with their names in tables, in the order of a token's way.
  var parts: [(name: String, seconds: Double)] {
    [
      ("weights", weights), ("attention", attention), ("head", head), ("other pass", otherPass),
      ("sampling", sampling), ("drafting", drafting), ("host", host),
    ]
  }

  /// The contract of `time_split` in `generate --json`.
  var json: JSONValue {
    var object = JSONObject()
    for (name, seconds) in parts {
      object[name.replacing(" ", with: "_") + "_seconds"] = .number(seconds)
    }
    return .object(object)
  }
}
