import BlockwiseFiles

/// The tokens that can still be chosen, in the order of their ids, with their weights: scratch memory of a sampler.
struct CandidateSet: Sendable {
  private var ids: [Int32] = []
  /// Logits until ``formWeights(temperature:)``, unnormalised probabilities afterwards.
  private var weights: [Float] = []
  private var total = 0.0
  private var ranking: [RankedToken] = []

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
  mutating func keepNucleus(of probability: Float) {
    // Tokens below this weight have less than 1 − p of the mass together, so none of them is in the nucleus: what is
    // left to be sorted is small unless the distribution is nearly flat.
    let floor = Float((1 - Double(probability)) * total / Double(weights.count)) * 0.999
    ranking.removeAll(keepingCapacity: true)
    for index in weights.indices where weights[index] >= floor {
      ranking.append(RankedToken(value: weights[index], id: ids[index]))
    }
    ranking.sort { $0.isBetter(than: $1) }
    var mass = 0.0
    let wanted = Double(probability) * total
    var last: RankedToken?
    for entry in ranking {
      last = entry
      mass += Double(entry.value)
      if mass >= wanted { break }
    }
    guard let last else { return }
    filter { weight, id in weight > last.value || (weight == last.value && id <= last.id) }
  }

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
