import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import Testing

/// What holds for every recipe and model.
@Suite struct DiffusionPropertyTests {
  private static func random<T>(_ values: [T], _ random: inout SplitMix) -> T {
    values[Int.random(in: 0..<values.count, using: &random)]
  }

  private static func recipe(_ family: DiffusionIdentityTests.Family, _ r: inout SplitMix) -> String {
    let commit = random(
      [
        "quota(0)", "quota(3)", "threshold(0.2)", "threshold(-1)", "threshold(0.3,4)", "factor(1)",
        "factor(3)",
        "leap(0.3,0.15,3)", "klass(0.15,0.5,1)", "eb(0.5)", "eb(5)", "sequential(3)", "dream(7)", "origin(5)",
      ], &r)
    let score = random(["p1", "margin", "entropy", "random"], &r)
    let stop = random(["budget", "eos", "eos-block", "eotp(0.2)"], &r)
    let revise: String
    switch family {
    case .llada, .sdar: revise = random(["none", "none", "edit(0.3,3)", "rcr(3)", "wino(0.3)"], &r)
    default: revise = random(["none", "none", "rcr(3)"], &r)
    }
    let (block, cache): (String, String)
    switch family {
    case .llada, .dream:
      block = random(
        ["fixed(8)", "fixed(5)", "fixed(8,3)", "whole", "ada(6,0.2)", "ada(6,0.2,3,9)", "fixed(1)"], &r)
      cache = random(["none", "prefix", "dual", "dual(2)", "prefix(3)"], &r)
    case .sdar, .fastDLLM:
      let parts = random([false, true], &r)
      block =
        parts ? random(["fixed(8,3)", "fixed(8,4)"], &r) : random(["fixed(8)", "fixed(3)", "fixed(1)"], &r)
      cache =
        parts
        ? random(["none", "exact", "ahead", "sub", "sub(2)"], &r) : random(["none", "exact", "ahead"], &r)
    case .nbdiff:
      let parts = random([false, true], &r)
      block =
        parts
        ? random(["fixed(8,3)", "fixed(8,4)"], &r)
        : random(["fixed(8)", "fixed(3)", "fixed(1)", "ada(6,0.2)", "ada(6,0.2,2,12)"], &r)
      cache =
        parts
        ? random(["none", "exact", "ahead", "sub", "sub(2)"], &r) : random(["none", "exact", "ahead"], &r)
    }
    return "block=\(block) score=\(score) commit=\(commit) revise=\(revise) cache=\(cache) stop=\(stop)"
  }

  @Test(arguments: DiffusionIdentityTests.Family.allCases)
  func `every recipe ends, leaves no mask and touches no known token`(
    family: DiffusionIdentityTests.Family
  ) async throws {
    for seed in 1...150 as ClosedRange<UInt64> {
      var r = SplitMix(seed: seed * 31 + UInt64(family.rawValue.count))
      let model = family.model(seed: seed)
      let text = Self.recipe(family, &r)
      let prompt = (0..<Int.random(in: 1...19, using: &r)).map { _ in
        TokenID(Int.random(in: 0..<11, using: &r))
      }
      let isInfill = Bool.random(using: &r)
      let canvas = (0..<Int.random(in: 1...30, using: &r)).map { _ -> TokenID? in
        isInfill && Bool.random(using: &r) ? TokenID(Int.random(in: 0..<11, using: &r)) : nil
      }
      let sampling = SamplingOptions(
        temperature: Bool.random(using: &r) ? 0 : 0.9, topP: 0.95,
        repetitionPenalty: Int.random(in: 0..<4, using: &r) == 0 ? 1.2 : 1, seed: seed)
      let stops: Set<TokenID> = [3]
      let lastKnown = canvas.lastIndex { $0 != nil }
      let note = "\(family), seed \(seed): \(text)"
      guard
        let outcome = try? await denoise(
          model, try .test(text), prompt: prompt, canvas: canvas, stopTokens: stops, sampling: sampling,
          delimiters: [2, 7])
      else {
        Issue.record("refused: \(note)")
        continue
      }
      #expect(!outcome.tokens.contains(11), "a mask: \(note)")
      #expect(outcome.statistics.committedCount <= canvas.count, "\(note)")
      if let lastKnown {
        // Nothing ends before known text; behind it an answer may.
        #expect((lastKnown + 1...canvas.count).contains(outcome.tokens.count), "\(note)")
        #expect(
          outcome.reason == .stop || outcome.tokens.count == canvas.count && lastKnown < canvas.count - 1,
          "\(note)")
        for (slot, token) in canvas.enumerated() where token != nil && slot < outcome.tokens.count {
          #expect(outcome.tokens[slot] == token, "slot \(slot): \(note)")
        }
      } else {
        #expect(!outcome.tokens.contains(3), "an end token inside the text: \(note)")
        if outcome.reason == .length {
          #expect(outcome.tokens.count == canvas.count || text.contains("eotp"), "\(note)")
        }
      }
      // A pass decides at least one slot of the blocks and takes back fewer than it decides.
      let slots = canvas.count + 16
      #expect(
        outcome.statistics.forwardCount <= 2 * slots + 40 * 3, "\(outcome.statistics.forwardCount): \(note)")
      #expect(outcome.logProbabilities.allSatisfy { $0 <= 1e-5 && $0.isFinite }, "\(note)")
    }
  }

  @Test func `a pass brings at least one token, whatever a policy says`() async throws {
    struct Nothing: CommitPolicy {
      static let name = "nothing"
      static let parameters: [PolicyParameter] = []
      var values: [PolicyValue] { [] }
      init() {}
      init(_ values: [PolicyValue]) {}
      func select(_ step: BlockStep) -> [Int] { [] }
    }
    struct Everything: RevisePolicy {
      static let name = "everything"
      static let parameters: [PolicyParameter] = []
      var values: [PolicyValue] { [] }
      init() {}
      init(_ values: [PolicyValue]) {}
      func revise(_ state: RevisionState) -> [Revision] { state.decided.indices.map { .open(slot: $0) } }
    }
    let model = DiffusionIdentityTests.Family.llada.model(seed: 2)
    let stubborn = DenoiseRecipe(
      block: FixedBlocks(8), commit: Nothing(), cache: NoCache(), stop: BudgetStop())
    let first = try await denoise(model, stubborn, prompt: [1], count: 16)
    #expect(first.tokens.count == 16 && first.statistics.forwardCount == 16)
    let undoing = DenoiseRecipe(
      block: FixedBlocks(8), commit: ThresholdCommit(-1), revise: Everything(), cache: NoCache(),
      stop: BudgetStop())
    let second = try await denoise(model, undoing, prompt: [1], count: 16)
    #expect(second.tokens.count == 16 && second.statistics.forwardCount == 16)
    #expect(second.statistics.revisedCount > 0)
  }

  @Test func `an end token ends the text as soon as nothing is open before it`() async throws {
    // Every slot wants its own number; slot 5 is the end.
    let model = TableModel(
      vocabularyCount: 12, maskToken: 11, logitAlignment: .same, contextMask: .bidirectional
    ) { position, _ in
      (0..<12).map { $0 == (position == 6 ? 0 : position % 9 + 1) ? Float(20) - Float(position) / 10 : 0 }
    }
    var counts: [String: Int] = [:]
    for stop in ["budget", "eos-block", "eos"] {
      let outcome = try await denoise(
        model, try .test("block=fixed(8) commit=quota(0) stop=\(stop)"), prompt: [5], count: 24,
        stopTokens: [0])
      #expect(outcome.tokens == [2, 3, 4, 5, 6] as [TokenID], "\(stop): \(outcome.tokens)")
      #expect(outcome.reason == .stop)
      counts[stop] = outcome.statistics.forwardCount
    }
    #expect(counts["budget"] == 24)
    #expect(counts["eos-block"] == 8)
    #expect(counts["eos"] == 6)
  }

  @Test func `a predicted end cuts the canvas`() async throws {
    let model = TableModel(
      vocabularyCount: 12, maskToken: 11, logitAlignment: .same, contextMask: .bidirectional
    ) { position, _ in
      (0..<12).map { $0 == (position >= 6 ? 0 : position + 1) ? Float(20) - Float(position) / 10 : 0 }
    }
    let recorder = RecordingModel(model)
    let outcome = try await denoise(
      recorder, try .test("block=whole commit=quota(0) stop=eotp(0.9)"), prompt: [5], count: 24,
      stopTokens: [0])
    #expect(outcome.tokens == [2, 3, 4, 5, 6] as [TokenID])
    #expect(recorder.plans[0].rowCount == 25)
    #expect(recorder.plans.dropFirst().allSatisfy { $0.rowCount == 7 })
  }

  @Test func `models and recipes that do not fit are refused with a reason`() throws {
    func refusal(_ model: TableModel, _ text: String) -> String {
      let made = Result {
        try DiffusionDecoder(model: model, options: DiffusionOptions(recipe: try .test(text)))
      }
      guard case .failure(let error) = made else { return "accepted" }
      return "\(error)"
    }
    typealias Family = DiffusionIdentityTests.Family
    #expect(refusal(Family.llada.model(seed: 1), "cache=exact").contains("none, prefix and dual"))
    #expect(refusal(Family.sdar.model(seed: 1), "cache=dual").contains("none, exact, ahead and sub"))
    #expect(refusal(Family.sdar.model(seed: 1), "cache=exact block=ada(8,0.3)").contains("grid"))
    #expect(refusal(Family.nbdiff.model(seed: 1), "cache=exact block=whole").contains("fixed and ada"))
    #expect(refusal(Family.nbdiff.model(seed: 1), "cache=sub block=fixed(8)").contains("sub-block"))
    #expect(refusal(Family.dream.model(seed: 1), "cache=none revise=wino(0.9)").contains("next token"))
    let causal = scrambledModel(seed: 1, alignment: .previous, contextMask: .causal)
    #expect(refusal(causal, "cache=exact").contains("from left to right"))
    #expect(refusal(Family.nbdiff.model(seed: 1), "cache=exact") == "accepted")
  }
}
