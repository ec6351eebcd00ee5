import BlockwiseFiles

/// The tokens that can still be chosen, in the order of their ids, with their weights: scratch memory of a sampler.
struct CandidateSet: Sendable {
  private var ids: [Int32] = []
  /// Logits until ``formWeights(temperature:)``, unnormalised probabilities afterwards.
  private var weights: [Float] = []
  private var total = 0.0
  private var ranking: [RankedToken] = []
  /// Sum of the weights of every size class; empty until it is needed, so that an empty set costs nothing.
  private var classMasses: [Double] = []

  mutating func removeAll(capacity: Int) {
    ids.removeAll(keepingCapacity: true)
    weights.removeAll(keepingCapacity: true)
    ids.reserveCapacity(capacity)
    weights.reserveCapacity(capacity)
  }

  /// Adds a token with its logit; ids arrive in ascending order.
  @inline(__always)
  mutating func append(_ logit: Float, id: Int32) {
    ids.append(id)
    weights.append(logit)
  }

  mutating func append(_ best: TopCandidates) {
    for entry in best.ascendingIDs() { append(entry.value, id: entry.id) }
  }

  /// Turns logits into weights exp((logit − maximum) / temperature); false when there is no token.
  mutating func formWeights(temperature: Float) -> Bool {
    guard let maximum = weights.withUnsafeBufferPointer({ LogitArithmetic.maximum($0) }), maximum > -.infinity
    else { return false }
    total = weights.withUnsafeMutableBufferPointer {
      LogitArithmetic.formExponentials($0, maximum: maximum, temperature: temperature)
    }
    return true
  }

  /// Keeps the smallest set of most likely tokens whose share reaches `probability`.
  ///
  /// Weights are first added up by size class, so that only the class in which the sum crosses the border is sorted.
  mutating func keepNucleus(of probability: Float) {
    if classMasses.isEmpty { classMasses = Array(repeating: 0, count: Self.classCount) }
    classMasses.withUnsafeMutableBufferPointer { masses in
      masses.update(repeating: 0)
      for weight in weights { masses[Self.sizeClass(weight)] += Double(weight) }
    }
    let wanted = Double(probability) * total
    var border = Self.classCount - 1
    var mass = 0.0
    while border > 0, mass + classMasses[border] < wanted {
      mass += classMasses[border]
      border -= 1
    }
    ranking.removeAll(keepingCapacity: true)
    for index in weights.indices where Self.sizeClass(weights[index]) == border {
      ranking.append(RankedToken(value: weights[index], id: ids[index]))
    }
    ranking.sort { $0.isBetter(than: $1) }
    var last: RankedToken?
    for entry in ranking {
      last = entry
      mass += Double(entry.value)
      if mass >= wanted { break }
    }
    guard let last else { return }
    filter { weight, id in weight > last.value || (weight == last.value && id <= last.id) }
  }

  /// The exponent and the first three bits of the fraction of a weight, which is in [0, 1]: grows with the weight.
  private static func sizeClass(_ weight: Float) -> Int { Int(weight.bitPattern >> 20) }
  private static let classCount = sizeClass(1) + 1

  /// Keeps tokens of at least `fraction` of the largest probability.
  mutating func keep(from fraction: Float) {
    // The largest weight is e^0 = 1.
    filter { weight, _ in weight >= fraction }
  }

  @inline(__always)
  private mutating func filter(_ isKept: (Float, Int32) -> Bool) {
    var count = 0
    total = 0
    for index in ids.indices where isKept(weights[index], ids[index]) {
      ids[count] = ids[index]
      weights[count] = weights[index]
      total += Double(weights[index])
      count += 1
    }
    ids.removeLast(ids.count - count)
    weights.removeLast(weights.count - count)
  }

  /// The token whose interval of the cumulative distribution holds `number`, which is in [0, 1).
  func draw(_ number: Double) -> TokenID {
    let target = number * total
    var mass = 0.0
    var chosen: Int32 = 0
    for index in ids.indices where weights[index] > 0 {
      chosen = ids[index]
      mass += Double(weights[index])
      if mass > target { break }
    }
    // Rounding of the sum may leave the target just above the last interval: that token is the answer then.
    return TokenID(chosen)
  }

  var probabilities: [(token: TokenID, probability: Float)] {
    zip(ids, weights).map { (TokenID($0), Float(Double($1) / total)) }
  }
}
