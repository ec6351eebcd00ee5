import BlockwiseFiles
import BlockwiseKernels
import BlockwiseModels
import BlockwiseTestSupport
import Testing

/// The head computes only what a mask wants, and what it computes has the bits of the whole.
@Suite struct AllowedTokensTests {
  /// All outputs of a pass over several sequences.
  private struct Outputs: Equatable {
    var logits: [[UInt32]] = []
    var statistics: [RowStatistics] = []
  }

  private static func outputs(
    _ model: DecoderModel, _ requests: [OutputRequest], tokens: [[TokenID]]
  ) async throws -> Outputs {
    var batch: [SequencePass] = []
    for (request, tokens) in zip(requests, tokens) {
      batch.append(
        SequencePass(plan: BlockPlan(tokens: tokens, at: 0, outputs: request), cache: try model.makeCache()))
    }
    let result = BlockResultBuffer()
    try await model.forward(batch, into: result)
    var outputs = Outputs()
    for (sequence, request) in requests.enumerated() {
      for output in result.rows(sequence: sequence).indices {
        if request.detail == .logits {
          outputs.logits.append(result.logits(sequence: sequence, output: output).map(\.bitPattern))
        }
        outputs.statistics.append(result.statistics(sequence: sequence, output: output))
      }
    }
    return outputs
  }

  /// Masks from a single token to nearly everything, whole tiles without a member among them.
  private static func mask(_ count: Int, _ random: inout SplitMix) -> TokenMask {
    var mask = TokenMask(vocabularyCount: count)
    switch Int.random(in: 0..<4, using: &random) {
    case 0: mask.insert(TokenID(Int.random(in: 0..<count, using: &random)))
    case 1:
      let start = Int.random(in: 0..<count, using: &random)
      for token in start..<min(count, start + 40) { mask.insert(TokenID(token)) }
    case 2: for _ in 0..<20 { mask.insert(TokenID(Int.random(in: 0..<count, using: &random))) }
    default:
      mask.allowAll()
      for _ in 0..<20 { mask.remove(TokenID(Int.random(in: 0..<count, using: &random))) }
    }
    return mask
  }

  /// Also a head with a soft cap.
  private static let subjects =
    RowInvarianceTests.subjects
    + ParityFixture.shared.filter { $0.folder.hasSuffix("gemma2") }
    .map { RowInvarianceTests.Subject(path: $0.folder, compute: .f32, cache: .f16) }

  @Test(arguments: subjects)
  func `wanted logits are those of the whole head, and statistics count nothing else`(
    _ subject: RowInvarianceTests.Subject
  ) async throws {
    for threads in [1, 3] {
      let model = try RowInvarianceTests.load(subject, threads: threads)
      let count = model.traits.vocabularyCount
      for seed in UInt64(1)...4 {
        var random = SplitMix(seed: seed)
        let tokens = (0..<2).map { _ in
          (0..<Int.random(in: 1...5, using: &random)).map { _ in
            TokenID(Int.random(in: 0..<count, using: &random))
          }
        }
        let whole = try await Self.outputs(
          model, Array(repeating: OutputRequest(rows: .all), count: 2), tokens: tokens)
        // One mask for each output of the first sequence, one for all of the second.
        let masks = tokens[0].map { _ in Self.mask(count, &random) } + [Self.mask(count, &random)]
        let requests = [
          OutputRequest(rows: .all, allowed: Array(masks.dropLast())),
          OutputRequest(rows: .all, allowed: [masks[masks.count - 1]]),
        ]
        let found = try await Self.outputs(model, requests, tokens: tokens)
        for output in whole.logits.indices {
          let mask = masks[min(output, masks.count - 1)]
          let expected = (0..<count).map {
            mask.contains(TokenID($0)) ? Float(bitPattern: whole.logits[output][$0]) : -.infinity
          }
          #expect(found.logits[output] == expected.map(\.bitPattern), "seed \(seed), output \(output)")
          let kernels = Kernels(.scalar)
          let statistics = try #require(kernels.statistics(ofLogits: expected, count: count))
          #expect(found.statistics[output].top == TokenID(statistics.top), "seed \(seed), output \(output)")
          #expect(found.statistics[output].second == TokenID(statistics.second ?? statistics.top))
          #expect(found.statistics[output].logSumExp == Float(statistics.logSumExp))
          #expect(found.statistics[output].entropy == Float(statistics.entropy))
        }
        let reduced = try await Self.outputs(
          model,
          requests.map { OutputRequest(rows: .all, detail: .statistics, allowed: $0.allowed) }, tokens: tokens
        )
        #expect(reduced.logits.isEmpty)
        #expect(reduced.statistics == found.statistics, "seed \(seed)")
      }
    }
  }

  @Test func `more outputs than the head takes at once have the bits of fewer`() async throws {
    let model = try RowInvarianceTests.load(
      RowInvarianceTests.subjects[RowInvarianceTests.subjects.count - 1], threads: 2)
    let count = model.traits.vocabularyCount
    let tokens = (0..<150).map { TokenID($0 * 7 % count) }
    let all = try await Self.outputs(model, [OutputRequest(rows: .all)], tokens: [tokens])
    let some = try await Self.outputs(model, [OutputRequest(rows: .some([3, 64, 149]))], tokens: [tokens])
    #expect(some.logits == [3, 64, 149].map { all.logits[$0] })
    #expect(some.statistics == [3, 64, 149].map { all.statistics[$0] })
    let reduced = try await Self.outputs(
      model, [OutputRequest(rows: .all, detail: .statistics)], tokens: [tokens])
    #expect(reduced.statistics == all.statistics)
  }

  @Test func `masks that do not fit the outputs or the vocabulary are refused`() async throws {
    let model = try RowInvarianceTests.load(
      RowInvarianceTests.subjects[RowInvarianceTests.subjects.count - 1], threads: 1)
    let count = model.traits.vocabularyCount
    let whole = TokenMask(vocabularyCount: count, allowingAll: true)
    for allowed in [[whole, whole], [TokenMask(vocabularyCount: count + 1, allowingAll: true)]] {
      let request = OutputRequest(rows: .all, allowed: allowed)
      await #expect(throws: PlanError.self) {
        _ = try await Self.outputs(model, [request], tokens: [[1, 2, 3]])
      }
    }
  }

  @Test func `a mask without members leaves nothing likely`() async throws {
    let model = try RowInvarianceTests.load(
      RowInvarianceTests.subjects[RowInvarianceTests.subjects.count - 1], threads: 2)
    let nothing = TokenMask(vocabularyCount: model.traits.vocabularyCount)
    let found = try await Self.outputs(
      model, [OutputRequest(rows: .last, allowed: [nothing])], tokens: [[1, 2]])
    #expect(found.logits[0].allSatisfy { Float(bitPattern: $0) == -.infinity })
    #expect(found.statistics[0].logSumExp == -.infinity)
  }
}
