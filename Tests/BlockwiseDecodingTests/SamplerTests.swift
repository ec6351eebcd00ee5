import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import Foundation
import Testing

@Suite struct SamplerTests {
  // MARK: Greedy

  @Test func `greedy takes the lowest id among equal logits`() throws {
    var sampler = try Sampler(options: SamplingOptions(), vocabularyCount: 20)
    var logits = Array(repeating: Float(-1), count: 20)
    logits[17] = 2.5
    logits[11] = 2.5
    #expect(try sampler.sample(logits).token == 11)
  }

  @Test(arguments: 1...40) func `greedy equals a plain search`(count: Int) throws {
    var random = TestRandom(seed: UInt64(count))
    var sampler = try Sampler(options: SamplingOptions(), vocabularyCount: count)
    for round in 0..<20 {
      let logits = random.logits(count: count, spread: 1)
      let best = logits.indices.reduce(0) { logits[$1] > logits[$0] ? $1 : $0 }
      #expect(try sampler.sample(logits).token.index == best, "count \(count), round \(round): \(logits)")
    }
  }

  @Test func `top-k of one is greedy at any temperature`() throws {
    var random = TestRandom(seed: 1)
    var greedy = try Sampler(options: SamplingOptions(), vocabularyCount: 100)
    var hot = try Sampler(options: SamplingOptions(temperature: 50, topK: 1), vocabularyCount: 100)
    for position in 0..<100 {
      let logits = random.logits(count: 100)
      #expect(try hot.sample(logits, position: position) == greedy.sample(logits, position: position))
    }
  }

  // MARK: Distributions

  static let cases: [SamplingOptions] = [
    SamplingOptions(temperature: 1),
    SamplingOptions(temperature: 0.3),
    SamplingOptions(temperature: 2.5),
    SamplingOptions(temperature: 1e-30),
    SamplingOptions(temperature: 1, topK: 3),
    SamplingOptions(temperature: 1, topK: 1000),
    SamplingOptions(temperature: 1.3, topK: 7),
    SamplingOptions(temperature: 1, topP: 0.5),
    SamplingOptions(temperature: 1, topP: 0.93),
    SamplingOptions(temperature: 3, topP: 0.99),
    SamplingOptions(temperature: 1, topP: 1e-6),
    SamplingOptions(temperature: 1, minP: 0.1),
    SamplingOptions(temperature: 2, minP: 1),
    SamplingOptions(temperature: 1.5, topK: 12, topP: 0.8, minP: 0.05),
    SamplingOptions(temperature: 1, repetitionPenalty: 1.7, penaltyWindow: nil),
    SamplingOptions(temperature: 1, presencePenalty: 0.75, frequencyPenalty: -0.4, penaltyWindow: 5),
    SamplingOptions(temperature: 1, logitBias: [0: 4, 2: -.infinity, 5: -1.25]),
    SamplingOptions(temperature: 1, logitBias: [1: .infinity, 3: .infinity, 4: 2]),
    SamplingOptions(
      temperature: 0.8, topK: 20, topP: 0.9, minP: 0.02, repetitionPenalty: 1.2, presencePenalty: 0.1,
      frequencyPenalty: 0.2, penaltyWindow: 9, logitBias: [6: -3]),
  ]

  @Test(arguments: cases) func `each filter equals its plain definition`(options: SamplingOptions) throws {
    for seed in UInt64(0)..<30 {
      var random = TestRandom(seed: seed)
      let count = Int.random(in: 7...70, using: &random)
      var logits = random.logits(count: count)
      logits[Int.random(in: 4..<count, using: &random)] = -.infinity
      let history = (0..<Int.random(in: 0...20, using: &random)).map { _ in
        TokenID(Int.random(in: 0..<count, using: &random))
      }
      var mask: TokenMask?
      if seed % 3 == 0 {
        mask = TokenMask(vocabularyCount: count)
        for index in 0..<count where index < 4 || Bool.random(using: &random) { mask?.insert(TokenID(index)) }
      }
      var sampler = try Sampler(options: options, vocabularyCount: count)
      let expected = plainProbabilities(logits, options: options, history: history, mask: mask)
      let found = try sampler.probabilities(logits, history: history, mask: mask)
      for index in 0..<count {
        #expect((found[index] > 0) == (expected[index] > 1e-37), "seed \(seed), token \(index)")
        // f32 weights: a few units in the last place of the largest logit difference.
        #expect(abs(found[index] - expected[index]) <= 4e-6, "seed \(seed), token \(index)")
      }
    }
  }

  @Test(arguments: [
    SamplingOptions(temperature: 1), SamplingOptions(temperature: 0.7, topK: 6),
    SamplingOptions(temperature: 1.4, topP: 0.8, minP: 0.02),
  ]) func `draws follow the distribution`(options: SamplingOptions) throws {
    var options = options
    for seed in UInt64(1)...3 {
      options.seed = seed
      var random = TestRandom(seed: seed)
      let logits = random.logits(count: 13, spread: 2)
      var sampler = try Sampler(options: options, vocabularyCount: 13)
      let expected = plainProbabilities(logits, options: options)
      let drawCount = 20_000
      var counts = Array(repeating: 0, count: 13)
      for position in 0..<drawCount {
        counts[try sampler.sample(logits, position: position).token.index] += 1
      }
      let possible = expected.indices.filter { expected[$0] > 0 }
      #expect(counts.indices.allSatisfy { expected[$0] > 0 || counts[$0] == 0 })
      let square = possible.reduce(0.0) {
        let mean = expected[$1] * Double(drawCount)
        return $0 + (Double(counts[$1]) - mean) * (Double(counts[$1]) - mean) / mean
      }
      // With d degrees of freedom χ² has mean d and variance 2d; 12 degrees exceed 39.1 once in 10⁴.
      let freedom = Double(possible.count - 1)
      #expect(square < freedom + 5.6 * (2 * freedom).squareRoot(), "seed \(seed), counts \(counts)")
    }
  }

  @Test func `a draw depends on seed, choice and position alone`() throws {
    var random = TestRandom(seed: 5)
    let rows = (0..<64).map { _ in random.logits(count: 50, spread: 2) }
    let options = SamplingOptions(temperature: 1, seed: 77)
    var forwards = try Sampler(options: options, vocabularyCount: 50)
    let first = try rows.indices.map { try forwards.sample(rows[$0], position: $0).token }
    var backwards = try Sampler(options: options, vocabularyCount: 50)
    var second = first
    for position in rows.indices.reversed() {
      _ = try backwards.sample(rows[0], position: 1000 + position, choice: 3)
      second[position] = try backwards.sample(rows[position], position: position).token
    }
    #expect(first == second)
    let otherChoice = try rows.indices.map { try forwards.sample(rows[$0], position: $0, choice: 1).token }
    #expect(first != otherChoice)
    var otherSeed = try Sampler(options: SamplingOptions(temperature: 1, seed: 78), vocabularyCount: 50)
    #expect(try first != rows.indices.map { try otherSeed.sample(rows[$0], position: $0).token })
  }

  // MARK: Arithmetic by hand

  @Test func `the repetition penalty divides positive and multiplies negative logits`() throws {
    let options = SamplingOptions(temperature: 1, repetitionPenalty: 2)
    var sampler = try Sampler(options: options, vocabularyCount: 3)
    let found = try sampler.probabilities([2, -1, 0], history: [0, 0, 1])
    // 2/2, −1·2, 0
    let weights = [exp(1.0), exp(-2.0), 1]
    for index in 0..<3 { #expect(abs(found[index] - weights[index] / weights.reduce(0, +)) < 1e-6) }
  }

  @Test func `frequency counts occurrences and presence does not`() throws {
    let options = SamplingOptions(temperature: 1, presencePenalty: 0.5, frequencyPenalty: 0.25)
    var sampler = try Sampler(options: options, vocabularyCount: 3)
    let found = try sampler.probabilities([1, 1, 1], history: [0, 0, 0, 1])
    // 1 − 3·0.25 − 0.5, 1 − 0.25 − 0.5, 1
    let weights = [exp(-0.25), exp(0.25), exp(1.0)]
    for index in 0..<3 { #expect(abs(found[index] - weights[index] / weights.reduce(0, +)) < 1e-6) }
  }

  @Test func `penalties forget what left the window`() throws {
    let options = SamplingOptions(presencePenalty: 10, penaltyWindow: 2)
    var sampler = try Sampler(options: options, vocabularyCount: 3)
    #expect(try sampler.sample([3, 2, 1], history: [0, 1, 2]).token == 0)
    #expect(try sampler.sample([3, 2, 1], history: [2, 0, 1]).token == 2)
    // Ids that stand for no row of the vocabulary do no harm.
    #expect(try sampler.sample([3, 2, 1], history: [-1, 7]).token == 0)
  }

  @Test func `log-probabilities are the model's own, whatever the options are`() throws {
    var random = TestRandom(seed: 9)
    for count in [5, 31, 300] {
      let logits = random.logits(count: count)
      let total = log(logits.reduce(0.0) { $0 + exp(Double($1)) })
      let options = SamplingOptions(
        temperature: 3, topK: 4, repetitionPenalty: 5, logitBias: [2: -.infinity, 1: 2],
        topLogProbabilityCount: 5)
      var sampler = try Sampler(options: options, vocabularyCount: count)
      var mask = TokenMask(vocabularyCount: count)
      for token in [1, 3, 4] { mask.insert(TokenID(token)) }
      let result = try sampler.sample(logits, history: [3, 4], mask: mask)
      #expect(mask.contains(result.token))
      #expect(abs(Double(result.logProbability) - (Double(logits[result.token.index]) - total)) < 2e-5)
      let order = logits.indices.sorted { logits[$0] > logits[$1] || (logits[$0] == logits[$1] && $0 < $1) }
      #expect(result.topLogProbabilities.map(\.token.index) == Array(order.prefix(5)))
      for entry in result.topLogProbabilities {
        #expect(abs(Double(entry.logProbability) - (Double(logits[entry.token.index]) - total)) < 2e-5)
      }
    }
  }

  // MARK: Limits and refusals

  @Test func `padding rows beyond the vocabulary are never chosen`() throws {
    var logits = Array(repeating: Float(0), count: 12)
    for index in 9..<12 { logits[index] = .nan }
    logits[8] = 1
    var greedy = try Sampler(options: SamplingOptions(), vocabularyCount: 12, vocabularyLimit: 9)
    var row = logits
    let token = try row.withUnsafeMutableBufferPointer { try greedy.sample(logits: $0, position: 0).token }
    #expect(token == 8)
  }

  @Test func `a row with NaN or plus infinity is refused with its place`() throws {
    for (bad, options) in [(Float.nan, SamplingOptions()), (.infinity, SamplingOptions(temperature: 1))] {
      for index in [0, 6, 8, 18] {
        var sampler = try Sampler(options: options, vocabularyCount: 19)
        var logits = Array(repeating: Float(0), count: 19)
        logits[index] = bad
        #expect(
          throws: SamplingError.nonFiniteLogits(position: 4, token: TokenID(index), found: "\(bad)")
        ) {
          try logits.withUnsafeMutableBufferPointer { try sampler.sample(logits: $0, position: 4) }
        }
      }
    }
  }

  @Test(arguments: [0, Float(1)]) func `nothing allowed is an error`(temperature: Float) throws {
    let refusal = SamplingError.nothingAllowed(position: 3)
    var plain = try Sampler(options: SamplingOptions(temperature: temperature), vocabularyCount: 4)
    #expect(throws: refusal) { try plain.sample(Array(repeating: -.infinity, count: 4), position: 3) }
    let empty = TokenMask(vocabularyCount: 4)
    #expect(throws: refusal) { try plain.sample([1, 2, 3, 4], position: 3, mask: empty) }
    let bans: [TokenID: Float] = [0: -.infinity, 1: -.infinity, 2: -.infinity, 3: -.infinity]
    var banned = try Sampler(
      options: SamplingOptions(temperature: temperature, logitBias: bans), vocabularyCount: 4)
    #expect(throws: refusal) { try banned.sample([1, 2, 3, 4], position: 3) }
    // The sampler is usable afterwards.
    #expect(try plain.sample([0, 0, 90, 0]).token == 2)
  }

  @Test func `options out of range are named`() {
    let bad: [(SamplingOptions, String)] = [
      (SamplingOptions(temperature: -0.1), "temperature"),
      (SamplingOptions(temperature: .nan), "temperature"),
      (SamplingOptions(temperature: .infinity), "temperature"), (SamplingOptions(topK: 0), "top_k"),
      (SamplingOptions(topP: 0), "top_p"), (SamplingOptions(topP: 1.01), "top_p"),
      (SamplingOptions(topP: .nan), "top_p"), (SamplingOptions(minP: -0.1), "min_p"),
      (SamplingOptions(repetitionPenalty: 0), "repetition_penalty"),
      (SamplingOptions(presencePenalty: .infinity), "presence_penalty"),
      (SamplingOptions(frequencyPenalty: .nan), "frequency_penalty"),
      (SamplingOptions(penaltyWindow: -1), "penalty_window"),
      (SamplingOptions(logitBias: [3: .nan]), "logit_bias"),
      (SamplingOptions(logitBias: [-3: 1]), "logit_bias"),
      (SamplingOptions(logitBias: [50: 1]), "logit_bias"),
      (SamplingOptions(topLogProbabilityCount: -1), "top_logprobs"),
    ]
    for (options, name) in bad {
      do throws(SamplingError) {
        _ = try Sampler(options: options, vocabularyCount: 50)
        Issue.record("\(name) was accepted: \(options)")
      } catch {
        #expect(error.description.hasPrefix(name), "\(error)")
      }
    }
  }

  @Test func `the exponential is exact to two units in the last place`() {
    var worst = 0.0
    var value: Float = -87
    while value <= 0 {
      let found = LogitArithmetic.exponential(SIMD8(repeating: value))[0]
      let exact = exp(Double(value))
      worst = max(worst, abs(Double(found) - exact) / (exact * 0x1p-23))
      value += 0.000_37
    }
    #expect(worst < 2)
    #expect(LogitArithmetic.exponential(SIMD8(repeating: 0))[3] == 1)
    #expect(LogitArithmetic.exponential(SIMD8(repeating: -.infinity))[5] == 0)
  }
}
