import BlockwiseFiles
import BlockwiseKernels
import BlockwiseModels
import BlockwiseTestSupport
import Foundation
import Testing

/// Logits against the reference implementation, f32 over the stored weights.
@Suite struct ParityTests {
  /// A wrong norm epsilon shows at 3e-5, a float64 forward stays within 2.5e-6.
  static let bound: Float = 2e-5

  static func load(
    _ fixture: ParityFixture, variant: KernelVariant? = nil, ropeFactors: String? = nil
  ) throws -> DecoderModel {
    // Longrope's factors follow the context the model is loaded for; the fixtures' original context is 32.
    try DecoderModel.load(
      ModelSource(path: fixture.folder),
      options: ModelLoadOptions(
        compute: .f32, contextLength: ropeFactors == "short" ? 32 : nil, threadCount: 2,
        kernelVariant: variant))
  }

  @Test(arguments: ParityFixture.all)
  func `every case of a checkpoint is within the strict bound of the reference`(_ fixture: ParityFixture)
    async throws
  {
    for variant in KernelVariant.available {
      let expected = try fixture.tensors()
      for item in try fixture.cases() {
        let model = try Self.load(fixture, variant: variant, ropeFactors: item.ropeFactors)
        let cache = try model.makeCache()
        let result = BlockResultBuffer()
        if !item.prefix.isEmpty {
          let prefix = BlockPlan(tokens: item.prefix, at: 0, outputs: OutputRequest(rows: .none))
          try await model.forward([SequencePass(plan: prefix, cache: cache)], into: result)
        }
        let plan = try Self.plan(item, layerCount: model.configuration.layerCount)
        try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
        let found = (0..<item.tokens.count).flatMap { result.logits(output: $0) }
        let reference = try expected.values(item.logits)
        #expect(found.count == reference.count, "\(fixture.testDescription) \(item.name)")
        let difference = relativeDifference(found, reference)
        #expect(
          difference <= Self.bound, "\(fixture.testDescription) \(item.name) \(variant.name): \(difference)")
        for (index, name) in item.hidden.enumerated() {
          let tap = plan.outputs.taps[index]
          let states = try #require(result.hiddenStates(tap))
          let difference = relativeDifference(states, try expected.values(name))
          #expect(
            difference <= Self.bound, "\(fixture.testDescription) \(name) \(variant.name): \(difference)")
        }
      }
    }
  }

  static func plan(_ item: ParityFixture.Case, layerCount: Int) throws -> BlockPlan {
    var outputs = OutputRequest(rows: .all)
    if !item.hidden.isEmpty {
      // The reference lists the embedding, every layer but the last, and the last after the final norm.
      outputs.taps = [.embedding] + (0..<layerCount - 1).map { .layer($0) } + [.final]
    }
    let visibility: Visibility
    switch item.kind {
    case "causal": visibility = .causal
    case "bidirectional": visibility = .bidirectional
    case "block_causal": visibility = .blockCausal(size: try #require(item.block))
    case "explicit": visibility = .contextCausal(start: try #require(item.causalUntil))
    case "tree":
      return BlockPlan(
        tree: item.tokens, parents: item.parents, prefixLength: item.prefix.count, outputs: outputs)
    default:
      Issue.record("unknown kind \(item.kind)")
      visibility = .causal
    }
    return BlockPlan(
      tokens: item.tokens, positions: item.positions,
      writes: Array(repeating: .append, count: item.tokens.count), visibility: visibility, outputs: outputs)
  }

  @Test(arguments: ParityFixture.all)
  func `greedy continuations are the reference's, token by token`(_ fixture: ParityFixture) async throws {
    for (prompt, new, ropeFactors) in try fixture.greedy() {
      let model = try Self.load(fixture, ropeFactors: ropeFactors)
      let cache = try model.makeCache()
      let result = BlockResultBuffer()
      var tokens = prompt
      var found: [TokenID] = []
      while found.count < new.count {
        let start = try cache.committedCount
        let plan = BlockPlan(
          tokens: tokens[start...], at: start, outputs: OutputRequest(rows: .last, detail: .statistics))
        try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
        found.append(result.statistics(output: 0).top)
        tokens.append(found[found.count - 1])
      }
      #expect(found == new)
    }
  }

  @Test(arguments: ParityFixture.all)
  func `prefill in pieces and one token at a time give the bits of one pass`(_ fixture: ParityFixture)
    async throws
  {
    let model = try Self.load(fixture)
    let cases = try fixture.cases().filter { $0.kind == "causal" }
    for item in cases {
      let whole = try await Self.logits(model, item.tokens, pieces: [item.tokens.count])
      for pieces in [[7, 1, item.tokens.count - 8], Array(repeating: 1, count: item.tokens.count)] {
        let found = try await Self.logits(model, item.tokens, pieces: pieces)
        #expect(found == whole, "\(fixture.testDescription) \(item.name) in pieces \(pieces)")
      }
    }
  }

  static func logits(_ model: DecoderModel, _ tokens: [TokenID], pieces: [Int]) async throws -> [[Float]] {
    let cache = try model.makeCache()
    let result = BlockResultBuffer()
    var logits: [[Float]] = []
    var start = 0
    for piece in pieces {
      let plan = BlockPlan(
        tokens: tokens[start..<start + piece], at: start, outputs: OutputRequest(rows: .all))
      try await model.forward([SequencePass(plan: plan, cache: cache)], into: result)
      logits += (0..<piece).map { result.logits(output: $0) }
      start += piece
    }
    return logits
  }
}
