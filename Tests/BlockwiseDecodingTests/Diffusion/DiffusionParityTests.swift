import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseKernels
import BlockwiseModels
import BlockwiseTestSupport
import Foundation
import Testing

/// Runs of the public samplers, recorded pass by pass: the same inputs, tokens and counts.
@Suite struct DiffusionParityTests {
  struct Trace: Sendable, CustomTestStringConvertible {
    var model: String
    var name: String
    var testDescription: String { "\(model) \(name)" }
  }

  static let traces: [Trace] = ["llada", "dream", "sdar", "fast-dllm-qwen"].flatMap { model -> [Trace] in
    guard SharedData.isAvailable, let traces = try? expected(model).array("traces") else { return [] }
    return traces.compactMap { try? Trace(model: model, name: $0.string("name")) }
  }

  private static func expected(_ model: String) throws -> JSONValue {
    try JSONValue(parsing: SharedData.bytes("parity/models/\(model)/expected.json"))
  }

  private static func tokens(_ value: JSONValue, _ key: String) throws -> [TokenID] {
    try value.array(key).compactMap(\.integerValue).map { TokenID($0) }
  }

  private static func states(_ value: JSONValue, _ key: String) throws -> [[TokenID]] {
    try value.array(key).map { ($0.arrayValue ?? []).compactMap(\.integerValue).map { TokenID($0) } }
  }

  private func load(_ name: String, mask: TokenID) throws -> DecoderModel {
    try DecoderModel.load(
      ModelSource(path: SharedData.path("parity/models/\(name)")),
      options: ModelLoadOptions(compute: .f32, threadCount: 1), maskToken: mask)
  }

  /// The recipe of a recorded run.
  private func recipe(_ trace: JSONValue) throws -> (text: String, count: Int) {
    switch try trace.string("sampler") {
    case "llada":
      let (length, block) = (try trace.integer("gen_length"), try trace.integer("block_length"))
      let commit =
        try trace.string("rule") == "quota"
        ? "quota(\(try trace.integer("steps") / (length / block)))"
        : "threshold(\(try trace.number("threshold")))"
      return ("block=fixed(\(block)) commit=\(commit) cache=\(try trace.string("cache"))", length)
    case "dream":
      let score =
        ["maskgit_plus": "p1", "topk_margin": "margin", "entropy": "entropy"][try trace.string("alg")] ?? ""
      let commit = "dream(\(try trace.integer("steps")),\(try trace.number("eps")))"
      return ("block=whole score=\(score) commit=\(commit) cache=none", try trace.integer("gen_length"))
    case "sdar":
      let (block, steps) = (try trace.integer("block"), try trace.integer("steps"))
      let commit =
        try trace.string("strategy") == "static"
        ? "quota(\(steps))" : "threshold(\(try trace.number("tau")),\(steps))"
      // The reference fills its last block to the end.
      let prompt = try trace.array("prompt_ids").count
      let end = (prompt + (try trace.integer("G")) + block - 1) / block * block
      return ("block=fixed(\(block)) commit=\(commit) cache=exact", end - prompt)
    default:
      let (size, part) = (try trace.integer("D"), try trace.integer("d"))
      let prompt = try trace.array("prompt_ids").count
      let count = (prompt / size + (try trace.integer("blocks"))) * size - prompt
      return ("block=fixed(\(size),\(part)) commit=threshold(\(try trace.number("tau"))) cache=exact", count)
    }
  }

  @Test(arguments: traces)
  func `recorded samplers are reproduced pass by pass`(trace: Trace) async throws {
    let value = try #require(
      try Self.expected(trace.model).array("traces").first { try $0.string("name") == trace.name })
    let mask = TokenID(try value.integer("mask_id"))
    let model = RecordingModel(try load(trace.model, mask: mask))
    let prompt = try Self.tokens(value, "prompt_ids")
    let output = try Self.tokens(value, "output_ids")
    let (text, count) = try recipe(value)
    let outcome = try await denoise(model, try .test(text), prompt: prompt, count: count)
    #expect(outcome.tokens == Array(output.dropFirst(prompt.count).prefix(count)), "\(text)")

    // What the network was fed to look at a block: rows that only make a finished one part of the context apart.
    let looks = model.plans.filter { plan in plan.tokens.contains(mask) }.map(\.tokens)
    if try value.string("sampler") == "llada" {
      // The reference passes a block once more that the pass before has filled; such passes decide nothing.
      let block = try value.integer("block_length")
      var calls: [[TokenID]] = []
      for call in try value.array("calls") {
        let input = try Self.tokens(call, "input")
        let isCached = try call.bool("cached")
        if !isCached || input.prefix(block).contains(mask) { calls.append(input) }
      }
      #expect(looks == calls)
      let skipped = try value.array("calls").count - calls.count
      #expect(outcome.statistics.forwardCount + skipped == (try value.integer("passes")))
    } else if try value.string("sampler") == "dream" {
      #expect(looks == (try Self.states(value, "states")).filter { $0.contains(mask) })
      #expect(outcome.statistics.forwardCount == (try value.integer("passes")))
    } else {
      #expect(looks == (try Self.states(value, "block_states")))
      let looked = outcome.statistics.forwardCount - outcome.statistics.closingForwardCount
      #expect(looked == (try value.integer("passes")))
    }
  }

  /// With the cache in f32, and then rounded as it usually is: what is computed once is what would be computed again.
  @Test(.enabled(if: SharedData.isAvailable), arguments: ["sdar", "fast-dllm-qwen"])
  func `finished blocks are kept bit by bit`(name: String) async throws {
    for cacheType in [CacheFormat.f32, .f16] {
      let model = try DecoderModel.load(
        ModelSource(path: SharedData.path("parity/models/\(name)")),
        options: ModelLoadOptions(compute: .f32, cacheFormat: cacheType, threadCount: 2), maskToken: 511)
      let prompt = (0..<21).map { TokenID(($0 * 37 + 5) % 500) }
      let kept = try await denoise(
        model, try .test("block=fixed(8) commit=threshold(0.2) cache=exact"), prompt: prompt, count: 27)
      let computed = try await denoise(
        model, try .test("block=fixed(8) commit=threshold(0.2) cache=none"), prompt: prompt, count: 27)
      #expect(kept.tokens == computed.tokens)
      #expect(kept.logProbabilities == computed.logProbabilities)
    }
  }

  @Test(.enabled(if: SharedData.isAvailable), arguments: ["llada", "dream"])
  func `refreshed caches are no caches, bit by bit`(name: String) async throws {
    let model = try load(name, mask: 511)
    let prompt = (0..<9).map { TokenID(($0 * 37 + 5) % 500) }
    let plain = try await denoise(
      model, try .test("block=fixed(8) commit=threshold(0.2) cache=none"), prompt: prompt, count: 24)
    for cache in ["prefix(1)", "dual(1)"] {
      let cached = try await denoise(
        model, try .test("block=fixed(8) commit=threshold(0.2) cache=\(cache)"), prompt: prompt, count: 24)
      #expect(cached.tokens == plain.tokens && cached.logProbabilities == plain.logProbabilities)
    }
  }
}
