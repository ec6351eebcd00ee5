import Blockwise
import BlockwiseKernels
import BlockwiseModels
import Foundation

/// A finished generation as JSON and as a few lines.
struct GenerationReport {
  var generation: Generation
  var tokenizer: Tokenizer
  var seed: UInt64
  var showsLogProbabilities: Bool
  /// The gaps that were filled.
  var infill: Infill?

  /// The contract of `generate --json`. `tokens` are the ids of the new tokens, `prompt_tokens` is the number of tokens
  /// of the prompt.
  var json: JSONValue {
    let statistics = generation.statistics
    var object: JSONValue = [
      "text": .string(generation.text),
      "tokens": .tokens(generation.tokens.map(\.token)),
      "prompt_tokens": .integer(Int64(statistics.promptTokenCount)),
      "finish_reason": .string(generation.finishReason.rawValue),
      "seed": seed <= UInt64(Int64.max) ? .integer(Int64(seed)) : .string("\(seed)"),
      "decode": [
        "method": .string(generation.decision.method),
        "recipe": .string(generation.decision.recipe),
        "lossy": .bool(generation.decision.isLossy),
        "note": generation.decision.note.map { .string($0) } ?? .null,
      ],
      "stats": [
        "forwards": .integer(Int64(statistics.forwardCount)),
        "rows": .integer(Int64(statistics.rowCount)),
        "shared_forwards": .integer(Int64(statistics.sharedForwardCount)),
        "committed": .integer(Int64(statistics.committedCount)),
        "tokens_per_forward": .number(statistics.tokensPerForward),
        "prefill_seconds": .number(statistics.prefillSeconds),
        "decode_seconds": .number(statistics.decodeSeconds),
        "tokens_per_second": .number(statistics.tokensPerSecond),
        "peak_memory_bytes": .integer(Int64(Self.peakMemoryByteCount)),
        "time_split": statistics.decodeSplit.json,
        "prefill_time_split": statistics.prefillSplit.json,
        "drafted_forwards": .integer(Int64(statistics.draftedForwardCount)),
        "drafts": .array(statistics.drafts.map(Self.json)),
      ],
    ]
    if let infill, case .object(var members) = object {
      members["infill"] = .string(infill.text(generation.text))
      members["fills"] = .array(
        infill.fills(generation.tokens.map(\.token), tokenizer).map { .string($0) })
      object = .object(members)
    }
    if showsLogProbabilities, case .object(var members) = object {
      members["logprobs"] = .array(generation.tokens.map { logProbabilities(of: $0) })
      object = .object(members)
    }
    return object
  }

  /// A source of guesses: `drafted` and `accepted` by depth, the first one token ahead.
  private static func json(_ draft: DraftStatistics) -> JSONValue {
    [
      "source": .string(draft.source),
      "drafted": .array(draft.drafted.map { .integer(Int64($0)) }),
      "accepted": .array(draft.accepted.map { .integer(Int64($0)) }),
      "steps": .integer(Int64(draft.stepCount)), "seconds": .number(draft.seconds),
    ]
  }

  private func logProbabilities(of token: SampledToken) -> JSONValue {
    func entry(_ token: TokenID, _ logProbability: Float) -> [(String, JSONValue)] {
      [
        ("token", .integer(Int64(token.rawValue))),
        ("text", .string(String(decoding: tokenizer.bytes(of: token), as: UTF8.self))),
        // A token may be a part of a character, which text cannot say.
        ("bytes", .array(tokenizer.bytes(of: token).map { .integer(Int64($0)) })),
        ("logprob", .number(Double(logProbability))),
      ]
    }
    func object(_ members: [(String, JSONValue)]) -> JSONValue {
      var object = JSONObject()
      for (key, value) in members { object[key] = value }
      return .object(object)
    }
    let top = token.topLogProbabilities.map { object(entry($0.token, $0.logProbability)) }
    return object(entry(token.token, token.logProbability) + [("top", .array(top))])
  }

  /// What `--stats` prints.
  static func summary(
    _ generation: Generation, model: LanguageModel, sampling: SamplingOptions
  ) -> String {
    let statistics = generation.statistics
    let decision = generation.decision
    let prefilled = statistics.prefilledTokenCount
    let share = prefilled == statistics.promptTokenCount ? "" : ", \(prefilled) of them evaluated"
    let prefillRate = statistics.prefillSeconds > 0 ? Double(prefilled) / statistics.prefillSeconds : 0
    var lines = [
      "method    \(decision.method)\(decision.recipe.isEmpty ? "" : " \(decision.recipe)")"
        + "\(decision.isLossy ? ", lossy" : ", exact"): \(decision.reason)",
      "kernels   \(model.summary.kernelVariant.name), \(counted(model.summary.threadCount, "thread")), "
        + "\(model.summary.computesInt8 ? "int8" : "f32") products, \(model.summary.cacheFormat.name) cache",
      "prompt    \(statistics.promptTokenCount) tokens\(share) in \(fixed(statistics.prefillSeconds, 3)) s "
        + "(\(fixed(prefillRate, 1)) tokens/s)",
      "decode    \(statistics.committedCount) tokens in \(fixed(statistics.decodeSeconds, 3)) s "
        + "(\(fixed(statistics.tokensPerSecond, 1)) tokens/s), \(statistics.forwardCount) forwards of "
        + "\(statistics.rowCount) rows, \(fixed(statistics.tokensPerForward, 2)) tokens per forward",
      "time      " + words(statistics.decodeSplit / statistics.committedCount),
      "finish    \(generation.finishReason.rawValue)",
      "memory    \(Self.peakMemoryByteCount >> 20) MiB at most",
    ]
    lines.insert("sampling  " + words(sampling), at: 2)
    lines += words(drafts: statistics)
    if let note = decision.note { lines.append("          " + note) }
    return lines.joined(separator: "\n")
  }

  /// What guessing came to: how many passes had guesses, and for every source how many were right by depth.
  private static func words(drafts statistics: GenerationStatistics) -> [String] {
    guard !statistics.drafts.isEmpty else { return [] }
    let count = statistics.draftedForwardCount
    var lines = [
      "guessing  \(count) of \(counted(statistics.forwardCount, "pass", "passes")) had guesses"
        + (count < statistics.forwardCount ? "; in the others none was expected to pay" : "")
    ]
    for draft in statistics.drafts {
      let depths = zip(draft.accepted, draft.drafted).prefix(8).map { "\($0)/\($1)" }.joined(separator: " ")
      lines.append(
        "          \(draft.source): \(draft.acceptedCount) of \(draft.draftedCount) right"
          + (draft.draftedCount > 0 ? ", by depth \(depths)\(draft.drafted.count > 8 ? " …" : "")" : "")
          + ", \(fixed(draft.seconds * 1e3, 2)) ms")
    }
    return lines
  }

  /// Where the time of a token goes: `weights 8.123 ms (72 %), attention …`.
  private static func words(_ split: TimeSplit) -> String {
    "per token: "
      + split.parts.map {
        "\($0.name) \(BenchReport.milliseconds($0.seconds)) ms (\(BenchReport.share($0.seconds, of: split.total)))"
      }.joined(separator: ", ")
  }

  /// The sampling in words.
  static func words(_ sampling: SamplingOptions, hasSeed: Bool = true) -> String {
    var parts: [String] = []
    if sampling.isGreedy {
      parts.append("the most likely token")
    } else {
      parts.append("temperature \(sampling.temperature)")
      if let topK = sampling.topK { parts.append("top-k \(topK)") }
      if sampling.topP < 1 { parts.append("top-p \(sampling.topP)") }
      if sampling.minP > 0 { parts.append("min-p \(sampling.minP)") }
    }
    if sampling.repetitionPenalty != 1 { parts.append("repetition penalty \(sampling.repetitionPenalty)") }
    if sampling.presencePenalty != 0 { parts.append("presence penalty \(sampling.presencePenalty)") }
    if sampling.frequencyPenalty != 0 { parts.append("frequency penalty \(sampling.frequencyPenalty)") }
    if hasSeed, !sampling.isGreedy { parts.append("seed \(sampling.seed)") }
    return parts.joined(separator: ", ")
  }

  /// The most memory the process has held, mapped files included; 0 where the system does not tell.
  static var peakMemoryByteCount: Int { SystemMemory.peakResidentByteCount ?? 0 }
}

/// A number with a fixed count of decimals.
func fixed(_ value: Double, _ decimals: Int) -> String { String(format: "%.\(decimals)f", value) }

/// `1 thread`, `2 threads`.
func counted(_ count: Int, _ noun: String, _ plural: String? = nil) -> String {
  "\(count) \(count == 1 ? noun : plural ?? noun + "s")"
}
