import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseTestSupport
import Testing

/// Cases of the papers that can be checked by hand.
@Suite struct CommitPolicyTests {
  private func step(_ probabilities: [Float], open: [Bool]? = nil, entropies: [Float]? = nil, pass: Int = 0)
    -> BlockStep
  {
    let open = open ?? probabilities.map { _ in true }
    return BlockStep(
      candidates: probabilities.enumerated().map { index, probability in
        Candidate(token: 1, probability: probability, entropy: entropies?[index] ?? 0)
      },
      isOpen: open, scores: zip(probabilities, open).map { $1 ? $0 : -.infinity }, pass: pass)
  }

  @Test func `factor decides as many as the joint mode allows`() {
    #expect(FactorCommit(1).select(step([0.99, 0.95, 0.80])) == [0, 1, 2])
    #expect(FactorCommit(0.5).select(step([0.99, 0.95, 0.80])) == [0, 1])
    #expect(FactorCommit(1).select(step([0.6, 0.5])) == [0])
    // On the border: 3 · (1 − 2/3) = 1.
    #expect(FactorCommit(1).select(step([0.9, 2 / 3])) == [0, 1])
  }

  @Test func `around an anchor less is enough`() {
    let probabilities: [Float] = [0.95, 0.80, 0.50, 0.76, 0.77, 0.78, 0.99, 0.74, 0.76, 0.20]
    var open = [Bool](repeating: true, count: 10)
    open[6] = false
    #expect(LeapCommit().select(step(probabilities, open: open)) == [0, 1, 3, 4])
    #expect(LeapCommit().select(step(probabilities)) == [0, 1, 3, 4, 5, 6, 8])
  }

  @Test func `leap lies between its two thresholds`() {
    for seed in 0..<300 as Range<UInt64> {
      var random = SplitMix(seed: seed)
      let step = step((0..<16).map { _ in Float.random(in: 0.5..<1, using: &random) })
      let leap = Set(LeapCommit().select(step))
      #expect(leap.isSuperset(of: ThresholdCommit(0.9).select(step)), "seed \(seed)")
      #expect(leap.isSubset(of: ThresholdCommit(0.75).select(step)), "seed \(seed)")
      let wide = LeapCommit(anchor: 0.9, relaxed: 0.75, radius: 16).select(step)
      if !ThresholdCommit(0.9).select(step).isEmpty { #expect(wide == ThresholdCommit(0.75).select(step)) }
    }
  }

  @Test func `a quota splits a block evenly, the first passes take one more`() {
    let step = step([0.1, 0.9, 0.5, 0.7, 0.3, 0.2, 0.8, 0.6])
    #expect(QuotaCommit(3).select(step) == [1, 6, 3])
    #expect(
      (0..<4).map { pass in
        var later = step
        later.pass = pass
        return QuotaCommit(3).select(later).count
      } == [3, 3, 2, 1])
    #expect(QuotaCommit().select(step) == [1])
  }

  @Test func `an entropy bound leaves out the largest`() {
    let entropies: [Float] = [0.1, 0.2, 0.3, 0.4]
    let probabilities: [Float] = [0.9, 0.8, 0.7, 0.6]
    let step = step(probabilities, entropies: entropies)
    // Sums without the largest: 0, 0.1, 0.3, 0.6.
    #expect(EntropyBoundedCommit(0).select(step) == [0])
    #expect(EntropyBoundedCommit(0.11).select(step) == [0, 1])
    #expect(EntropyBoundedCommit(0.31).select(step) == [0, 1, 2])
    #expect(EntropyBoundedCommit(1).select(step) == [0, 1, 2, 3])
  }

  @Test func `the dynamic rule takes its quota where too few exceed the threshold`() {
    #expect(ThresholdCommit(0.85, passCount: 2).select(step([0.9, 0.5, 0.6, 0.1])) == [0, 2])
    #expect(ThresholdCommit(0.85, passCount: 2).select(step([0.9, 0.95, 0.88, 0.1])) == [0, 1, 2])
  }

  @Test func `stable positions are confident and no longer move`() {
    var step = step([0.95, 0.95, 0.5])
    step.candidates[0]?.divergences = [0.001, 0.002]
    step.candidates[1]?.divergences = [0.001]
    step.candidates[2]?.divergences = [0, 0, 0]
    #expect(StableCommit(0.9, divergence: 0.01, history: 2).select(step) == [0])
    #expect(StableCommit(0.9, divergence: 0.0015, history: 2).select(step) == [])
    #expect(StableCommit(0.9, divergence: 0.01, history: 1).select(step) == [0, 1])
  }

  @Test func `Dream's schedule decides the share of time that has passed`() {
    let step = step([Float](repeating: 0.5, count: 16))
    // 16 · (1 − (1 − 0.999/12)) = 1.33
    #expect(DreamCommit(12).select(step).count == 1)
    var last = step
    last.pass = 11
    #expect(DreamCommit(12).select(last).count == 16)
  }

  /// The published hand cases of AdaBlock, a budget of 16 and thus a window of 4.
  @Test func `running confidence opens the least sure slots of the part that is worked on, and no others`() {
    func state(pass: Int, part: Range<Int>) -> RevisionState {
      let step = BlockStep(
        candidates: Array(repeating: nil, count: 8), isOpen: Array(repeating: false, count: 8),
        scores: Array(repeating: 0, count: 8), pass: pass, scheduledCount: part.count)
      let probabilities: [Float] = [0.2, 0.1, 0.3, 0.25, 0.9, 0.5, 0.8, 0.6]
      return RevisionState(step: step, decided: probabilities.map { (token: 1, probability: $0) }, part: part)
    }
    let policy = RunningConfidence(2)
    // Half of the part's four slots may stay after the first of two passes; what finished parts hold is not touched.
    #expect(policy.revise(state(pass: 0, part: 4..<8)) == [.open(slot: 7), .open(slot: 5)])
    #expect(policy.revise(state(pass: 1, part: 4..<8)).isEmpty)
    #expect(
      policy.revise(state(pass: 0, part: 0..<8))
        == [.open(slot: 2), .open(slot: 3), .open(slot: 0), .open(slot: 1)])
  }

  @Test func `blocks end at the strongest delimiter`() {
    let predictions: [Candidate?] =
      [
        Candidate(token: 1, probability: 0.9), Candidate(token: 9, probability: 0.4),
        Candidate(token: 2, probability: 0.9), Candidate(token: 9, probability: 0.6),
      ] + (0..<4).map { _ in Candidate(token: 9, probability: 0.99) }
    func length(_ threshold: Float, _ delimiters: Set<TokenID> = [9], remaining: Int = 16, minimum: Int = 1)
      -> Int
    {
      AdaptiveBlocks(8, threshold: threshold, minimum: minimum).length(
        candidates: Array(predictions.prefix(remaining)), delimiters: delimiters, remaining: remaining,
        budget: 16)
    }
    #expect(length(0.3) == 4)
    #expect(length(0.7) == 8)
    #expect(length(0.3, []) == 8)
    #expect(length(0.3, [], remaining: 2) == 2)
    #expect(length(0.3, minimum: 6) == 6)
  }
}
