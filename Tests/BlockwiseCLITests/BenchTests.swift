import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

/// The benchmarks as programs use them: keys, tables and what they leave behind. Never a figure.
@Suite(
  .enabled(
    if: CommandLineTool.isBuilt && FileManager.default.fileExists(atPath: CommandLineTool.baseModel),
    "the program blockwise or the model Models/base is missing"))
struct BenchTests {
  static let model = CommandLineTool.baseModel

  /// Runs with a cache folder of its own, so that nothing is left in the user's.
  private func run(_ arguments: [String], cache: String) throws -> CommandLineTool.Output {
    try CommandLineTool.run(arguments + ["--model", Self.model], environment: ["XDG_CACHE_HOME": cache])
  }

  private func checkMachine(_ json: JSONValue, threads: Int, products: String) throws {
    #expect(try json.integer("machine", "threads") == threads)
    #expect(try json.string("machine", "products") == products)
    for key in [
      "read_bandwidth_bytes_per_second", "best_read_bandwidth_bytes_per_second",
      "peak_operations_per_second", "weight_bytes", "weights",
    ] {
      #expect(try json.number("machine", key) > 0, "\(key)")
    }
    #expect(try json.string("machine", "peak_products") == products)
  }

  // MARK: Decode

  @Test
  func `bench decode --prompts weighs guesses by costs of another model, and its traces can be replayed`()
    throws
  {
    let folder = try TemporaryFolder()
    // Passes so slow that the time of this machine does not count beside them.
    let costs = try folder.write(
      "costs.json",
      #"{"results":[{"depth":0,"rows":1,"median_ms":1000000},{"depth":0,"rows":17,"median_ms":2000000}]}"#)
    let prompts = try folder.write(
      "prompts.jsonl",
      #"{"prompt":"Once upon a time"}"# + "\n"
        + #"{"messages":[{"role":"user","content":"Sort this list: pear, fig, apple"}]}"#)
    let traces = folder.path + "/traces"
    let arguments = [
      "bench", "decode", "--prompts", prompts, "--tokens", "40", "--samples", "1", "--temperature", "0",
      "--draft", "auto", "--draft", "suffix,shape=all", "--costs", costs, "--step-cost", "0.01",
    ]
    let output = try run(arguments + ["--traces", traces, "--json"], cache: folder.path)
    try #require(output.code == 0, "\(output.errors)")
    let results = try output.json().array("results")
    #expect(try results.map { try $0.string("name") } == ["ar", "auto", "suffix,shape=all"])
    for result in results { #expect(try result.integer("differing") == 0) }
    #expect(try results[0].number("speed_up_by_costs") == 1)
    // The draft model beside base writes ahead, and is paid for.
    #expect(try results[1].integer("draft_steps") > 0)
    #expect(try results[1].number("speed_up_by_costs") > 1)
    #expect(try results[1].number("worst_speed_up_by_costs") > 0.97)
    // Of a trace anybody can see what its rows cost: 15/16 and a sixteenth for each.
    func cost(_ index: Int) throws -> Double {
      var sum = 0.0
      for line in try String(contentsOfFile: "\(traces)/\(index).jsonl", encoding: .utf8).split(
        separator: "\n")
      {
        for pass in try JSONValue(parsing: Array(line.utf8)).array("passes") {
          sum += (15 + Double(pass.arrayValue?[1].integerValue ?? 0)) / 16
        }
      }
      return sum
    }
    let gain = try cost(0) / cost(2)
    #expect(try abs(results[2].number("speed_up_by_costs") - gain) < 1e-3 * gain)

    let replay = [
      "bench", "decode", "--samples", "1", "--replay", traces + "/0.jsonl", "--replay", traces + "/1.jsonl",
    ]
    let replayed = try run(replay + ["--json"], cache: folder.path).json().array("results")
    #expect(
      try replayed.map { try $0.integer("passes") } == results.prefix(2).map { try $0.integer("forwards") })
    #expect(try run(arguments, cache: folder.path).text.contains("by costs"))
    for wrong in [
      ["--step-cost", "0.1"], ["--costs", costs, "--step-cost", "-1"],
      ["--costs", costs, "--step-cost", "nan"],
    ] {
      let refused = try run(
        ["bench", "decode", "--prompts", prompts, "--draft", "auto"] + wrong, cache: folder.path)
      #expect(refused.code == 64, "\(wrong)")
    }
  }

  @Test func `bench decode has the keys of the contract`() throws {
    let folder = try TemporaryFolder()
    let arguments = ["bench", "decode", "--depth", "0,20", "--tokens", "6", "--samples", "2"]
    let output = try run(arguments + ["--threads", "1", "--json"], cache: folder.path)
    try #require(output.code == 0, "\(output.errors)")
    let json = try output.json()
    let results = try json.array("results")
    #expect(try results.map { try $0.string("method") } == ["ar", "ar"])
    #expect(try results.map { try $0.integer("depth") } == [0, 20])
    for result in results {
      for key in [
        "tokens_per_second", "best_tokens_per_second", "median_ms_per_token", "min_ms_per_token",
        "pass_median_ms", "pass_min_ms", "share_of_pass", "roofline_ms",
      ] {
        #expect(try result.number(key) > 0, "\(key)")
      }
      #expect(try result.integer("tokens") == 6 && result.integer("samples") == 2)
      #expect(try result.number("tokens_per_forward") == 1)
      #expect(try result.integer("pass_depth") == result.integer("depth") + 3)
      #expect(try result.string("recipe") == "")
      let parts = ["weights", "attention", "head", "other_pass", "sampling", "host"]
      let split = try parts.map { try result.number("time_split_ms", $0) }
      #expect(split.allSatisfy { $0 >= 0 } && split.reduce(0, +) > 0)
      // The mean of all measurements cannot be below the fastest one, whatever it is made of.
      #expect(try split.reduce(0, +) >= result.number("min_ms_per_token") * 0.999)
    }
    try checkMachine(json, threads: 1, products: "int8")
    let table = try run(arguments, cache: folder.path)
    for word in ["tokens/s", "of pass", "sampling", "host", "GB/s"] { #expect(table.text.contains(word)) }
    #expect(try folder.names().isEmpty, "nothing is kept by decoding")
  }

  @Test func `bench decode needs room in the context, and measures recipes where there are masks`() throws {
    let folder = try TemporaryFolder()
    let long = try run(["bench", "decode", "--depth", "100000"], cache: folder.path)
    #expect(long.code == 1 && long.errors.contains("100065"), "\(long.errors)")
    let model = try #require(CommandLineTool.model("llada"))
    let masked = try CommandLineTool.run([
      "bench", "decode", "--model", model, "--tokens", "8", "--samples", "1", "--recipe",
      "block=fixed(4) commit=quota(2)",
      "--json",
    ])
    try #require(masked.code == 0, "\(masked.errors)")
    let results = try masked.json().array("results")
    #expect(try results.map { try $0.string("method") } == ["diffusion", "diffusion"])
    #expect(try results[1].number("tokens_per_forward") == 2)
    let other = try run(["bench", "decode", "--recipe", "one-per-pass"], cache: folder.path)
    #expect(other.code == 1 && other.errors.contains("left to right"), "\(other.errors)")
    let mixed = try run(["bench", "decode", "--replay", "x", "--depth", "3"], cache: folder.path)
    #expect(mixed.code == 64 && mixed.errors.contains("--replay"), "\(mixed.errors)")
  }

  // MARK: Prefill

  @Test func `bench prefill has the keys of the contract`() throws {
    let folder = try TemporaryFolder()
    let arguments = [
      "bench", "prefill", "--tokens", "5,17", "--chunk", "4,64", "--samples", "2", "--compute", "f32",
    ]
    let output = try run(arguments + ["--threads", "2", "--json"], cache: folder.path)
    try #require(output.code == 0, "\(output.errors)")
    let json = try output.json()
    let results = try json.array("results")
    #expect(
      try results.map { try [$0.integer("tokens"), $0.integer("chunk")] } == [
        [5, 4], [5, 64], [17, 4], [17, 64],
      ])
    for result in results {
      for key in [
        "median_ms", "min_ms", "tokens_per_second", "best_tokens_per_second", "roofline_ms",
      ] {
        #expect(try result.number(key) > 0, "\(key)")
      }
      for part in ["weights", "attention", "head", "other_pass"] {
        #expect(try result.number("time_split_ms", part) >= 0, "\(part)")
      }
    }
    // Five passes read the weights five times, one pass once.
    #expect(try results[2].number("roofline_ms") > results[3].number("roofline_ms"))
    try checkMachine(json, threads: 2, products: "f32")
    #expect(try json.string("machine", "cache") == "f32")
    let table = try run(arguments, cache: folder.path)
    #expect(table.text.contains("tokens/s") && table.text.contains("GFLOP/s"), "\(table.text)")
  }

  // MARK: Load

  @Test func `bench load has the keys of the contract`() throws {
    let folder = try TemporaryFolder()
    let arguments = ["bench", "load", "--samples", "3", "--tokens", "4"]
    let output = try run(
      arguments + ["--threads", "1", "--cache-type", "q8_0", "--json"], cache: folder.path)
    try #require(output.code == 0, "\(output.errors)")
    let json = try output.json()
    let samples = try json.array("samples")
    #expect(samples.count == 3)
    for sample in samples {
      for key in ["open_seconds", "tokenizer_seconds", "weights_seconds", "total_seconds"] {
        #expect(try sample.number(key) > 0, "\(key)")
      }
      #expect(try sample.number("first_token_seconds") > sample.number("total_seconds"))
    }
    for key in [
      "file_bytes", "weight_bytes", "median_seconds", "min_seconds", "pack_bytes_per_second",
      "first_token_median_seconds", "first_token_min_seconds", "peak_memory_bytes",
    ] {
      #expect(try json.number(key) > 0, "\(key)")
    }
    #expect(try json.integer("prompt_tokens") == 4)
    #expect(try json.string("machine", "cache") == "q8_0")
    let table = try run(arguments, cache: folder.path)
    for word in ["open and parse", "tokenizer", "pack weights", "ready", "first token behind 4", "GB/s"] {
      #expect(table.text.contains(word), "\(word)")
    }
  }

  @Test func `a model that fills masks is loaded without a first token`() throws {
    let model = try #require(CommandLineTool.model("llada"))
    let output = try CommandLineTool.run(["bench", "load", "--samples", "1", "--model", model, "--json"])
    #expect(output.code == 0, "\(output.errors)")
    #expect(try output.json()["first_token_median_seconds"] == .null)
  }

  // MARK: Forward and the cost curve

  @Test func `the roofline of a pass counts the cache it reads`() throws {
    let folder = try TemporaryFolder()
    let output = try run(
      ["bench", "forward", "--rows", "1", "--depth", "0,300", "--samples", "1", "--json"], cache: folder.path)
    try #require(output.code == 0, "\(output.errors)")
    let json = try output.json()
    let results = try json.array("results")
    let rooflines = try results.map { try $0.number("roofline_ms") }
    // One row is bound by memory: 300 slots of 6 layers, 2 · 4 heads of 32 halves, against all weights.
    let bytes = try json.number("machine", "weight_bytes")
    let slot = 6.0 * 2 * 4 * 32 * 2
    #expect(abs(rooflines[1] / rooflines[0] - (bytes + 301 * slot) / (bytes + slot)) < 1e-6)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  @Test func `bench forward keeps a whole curve, and inspect shows it`() throws {
    let folder = try TemporaryFolder()
    let inspect = ["inspect", Self.model]
    func inspected(_ more: [String] = []) throws -> CommandLineTool.Output {
      try CommandLineTool.run(inspect + more, environment: ["XDG_CACHE_HOME": folder.path])
    }
    #expect(try inspected(["--json"]).json()["cost_curves"] == [])
    #expect(try !inspected().text.contains("cost of rows"))
    let output = try run(
      ["bench", "forward", "--rows", "32,16,8,4,2,1", "--samples", "1", "--threads", "1", "--json"],
      cache: folder.path)
    try #require(output.code == 0, "\(output.errors)")
    let curves = try inspected(["--json"]).json().array("cost_curves")
    #expect(curves.count == 1)
    #expect(curves.first?["rows"] == [1, 2, 4, 8, 16, 32])
    #expect(curves.first?["threads"] == 1)
    #expect(try inspected().text.contains("cost of rows   1: "))
    // A home serves where no cache folder is named, and no home is no error.
    for environment in [["XDG_CACHE_HOME": "", "HOME": folder.path], ["XDG_CACHE_HOME": "", "HOME": ""]] {
      let text = try CommandLineTool.run(inspect, environment: environment)
      #expect(text.code == 0 && !text.text.contains("cost of rows"), "\(text.errors)")
    }
    let unwritable = try run(
      ["bench", "forward", "--rows", "1,2,4,8,16,32", "--samples", "1"], cache: "/dev/null")
    #expect(unwritable.code == 0 && unwritable.errors == "", "\(unwritable.errors)")
  }

  // MARK: Generate

  @Test func `generate says where its time went and measures no cost curve`() throws {
    let folder = try TemporaryFolder()
    let output = try run(
      ["generate", "-n", "8", "--ignore-eos", "--json", "--stats", "The old"], cache: folder.path)
    try #require(output.code == 0, "\(output.errors)")
    let stats = try #require(try output.json()["stats"])
    let parts = [
      "weights_seconds", "attention_seconds", "head_seconds", "other_pass_seconds", "sampling_seconds",
      "drafting_seconds", "host_seconds",
    ]
    for (name, wall) in [("time_split", "decode_seconds"), ("prefill_time_split", "prefill_seconds")] {
      let split = try parts.map { try stats.number(name, $0) }
      #expect(split.allSatisfy { $0 >= 0 }, "\(name) \(split)")
      // Passes are timed by the engine, the rest by the decoder: the parts can only miss the whole by what lies between.
      #expect(try abs(split.reduce(0, +) - stats.number(wall)) <= 1e-6 + 0.01 * stats.number(wall), "\(name)")
    }
    #expect(try stats.number("time_split", "sampling_seconds") > 0)
    #expect(output.errors.contains("time      per token: weights "), "\(output.errors)")
    #expect(try folder.names().isEmpty)
  }
}
