import BlockwiseDecoding
import BlockwiseFiles
import BlockwiseModels
import Foundation

/// SplitMix64: a seeded generator for test data.
struct TestRandom: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }

  /// Logits of a vocabulary, on a grid of sixteenths so that equal values occur.
  mutating func logits(count: Int, spread: Float = 6) -> [Float] {
    (0..<count).map { _ in (Float.random(in: -spread...spread, using: &self) * 16).rounded() / 16 }
  }
}

extension Sampler {
  /// Samples from an array and checks that the logits are the same afterwards.
  mutating func sample(
    _ logits: [Float], history: [TokenID] = [], position: Int = 0, choice: Int = 0, mask: TokenMask? = nil
  ) throws -> SampledToken {
    var row = logits
    let result = try row.withUnsafeMutableBufferPointer {
      try sample(logits: $0, history: history, position: position, choice: choice, mask: mask)
    }
    precondition(zip(row, logits).allSatisfy { $0 == $1 }, "the sampler changed the logits")
    return result
  }

  /// The probabilities of all tokens, zero for those that cannot be chosen.
  mutating func probabilities(
    _ logits: [Float], history: [TokenID] = [], mask: TokenMask? = nil
  ) throws -> [Double] {
    var row = logits
    var result = Array(repeating: 0.0, count: logits.count)
    let found = try row.withUnsafeMutableBufferPointer {
      try distribution(logits: $0, history: history, position: 0, mask: mask)
    }
    for entry in found { result[entry.token.index] = Double(entry.probability) }
    return result
  }
}

/// The sampler's definition in plain words: everything sorted, everything in double precision.
func plainProbabilities(
  _ logits: [Float], options: SamplingOptions, history: [TokenID] = [], mask: TokenMask? = nil
) -> [Double] {
  var values = logits.map { Double($0) }
  let forced = options.logitBias.filter { $0.value == .infinity }.map(\.key)
  for (token, bias) in options.logitBias where bias < .infinity { values[token.index] += Double(bias) }
  let window = options.penaltyWindow.map { Array(history.suffix($0)) } ?? history
  for index in values.indices {
    let count = window.filter { $0.index == index }.count
    guard count > 0 else { continue }
    let repetition = Double(options.repetitionPenalty)
    values[index] = values[index] > 0 ? values[index] / repetition : values[index] * repetition
    values[index] -= Double(count) * Double(options.frequencyPenalty) + Double(options.presencePenalty)
  }
  if let mask {
    for index in values.indices where !mask.contains(TokenID(index)) { values[index] = -.infinity }
  }
  if !forced.isEmpty {
    for index in values.indices where !forced.contains(TokenID(index)) { values[index] = -.infinity }
  }
  var order = values.indices.filter { values[$0] > -.infinity }
    .sorted { values[$0] > values[$1] || (values[$0] == values[$1] && $0 < $1) }
  guard let first = order.first else { return [] }
  let largest = values[first]
  if options.temperature == 0 {
    return values.indices.map { $0 == first ? 1 : 0 }
  }
  var weights = values.map { exp(($0 - largest) / Double(options.temperature)) }
  if let topK = options.topK { order = Array(order.prefix(topK)) }
  let total = order.reduce(0) { $0 + weights[$1] }
  var nucleus: [Int] = []
  var mass = 0.0
  for index in order {
    nucleus.append(index)
    mass += weights[index]
    if mass >= Double(options.topP) * total { break }
  }
  if options.topP == 1 { nucleus = order }
  let kept = Set(nucleus.filter { weights[$0] >= Double(options.minP) })
  for index in weights.indices where !kept.contains(index) { weights[index] = 0 }
  let sum = weights.reduce(0, +)
  return weights.map { $0 / sum }
}
