package import Blockwise
internal import Foundation

/// Fits a ``CommitFilter`` to recorded passes: mean binary cross-entropy over all slots, AdamW, batches drawn from a seed
/// (the paper takes all records at once for 40,000 steps; a tenth of the steps on batches of 256 fits as well here).
package struct FilterTraining {
  package var stepCount = 4000
  package var batchSize = 256
  package var rate: Float = 3e-3
  package var seed: UInt64 = 1

  package init() {}

  /// - Parameter progress: called with the share that is done.
  package func fit(
    _ records: [CommitRecord], blockSize: Int, progress: (Double) -> Void = { _ in }
  ) -> CommitFilter {
    let n = blockSize
    let count = CommitFilter.parameterCount(blockSize: n)
    var random = SeededGenerator(seed: seed)
    let bound = 1 / Float(n).squareRoot()
    var parameters = (0..<count).map { _ in Float.random(in: -bound...bound, using: &random) }
    var (first, second) = ([Float](repeating: 0, count: count), [Float](repeating: 0, count: count))
    guard !records.isEmpty else { return CommitFilter(blockSize: n, parameters: parameters) }
    let inputs = records.map { record in
      (0..<n).map { $0 < record.probabilities.count ? record.probabilities[$0] : 1 }
    }
    for step in 1...stepCount {
      var gradient = [Float](repeating: 0, count: count)
      for _ in 0..<batchSize {
        let index = Int.random(in: 0..<records.count, using: &random)
        accumulate(&gradient, parameters, inputs[index], records[index].isRight, n)
      }
      let scale = 1 / Float(batchSize * n)
      let decayed = rate * (1 - 0.9 * Float(step) / Float(stepCount))
      let (bias1, bias2) = (1 - pow(0.9, Float(step)), 1 - pow(0.999, Float(step)))
      for index in 0..<count {
        let slope = gradient[index] * scale
        first[index] = 0.9 * first[index] + 0.1 * slope
        second[index] = 0.999 * second[index] + 0.001 * slope * slope
        parameters[index] -= decayed * 0.01 * parameters[index]
        parameters[index] -= decayed * (first[index] / bias1) / ((second[index] / bias2).squareRoot() + 1e-8)
      }
      if step % 100 == 0 { progress(Double(step) / Double(stepCount)) }
    }
    return CommitFilter(blockSize: n, parameters: parameters)
  }

  /// Adds the slopes of one record's loss.
  private func accumulate(
    _ gradient: inout [Float], _ parameters: [Float], _ input: [Float], _ isRight: [Bool?], _ n: Int
  ) {
    var inner = [Float](repeating: 0, count: n)
    for row in 0..<n {
      var sum = parameters[n * n + row]
      for column in 0..<n { sum += parameters[row * n + column] * input[column] }
      inner[row] = max(0, sum)
    }
    let start = n * n + n
    var back = [Float](repeating: 0, count: n)
    for row in 0..<n {
      guard let isRight = row < isRight.count ? isRight[row] : true else { continue }
      var sum = parameters[start + n * n + row]
      for column in 0..<n { sum += parameters[start + row * n + column] * inner[column] }
      let slope = 1 / (1 + exp(-sum)) - (isRight ? 1 : 0)
      gradient[start + n * n + row] += slope
      for column in 0..<n {
        gradient[start + row * n + column] += slope * inner[column]
        back[column] += slope * parameters[start + row * n + column]
      }
    }
    for row in 0..<n where inner[row] > 0 {
      gradient[n * n + row] += back[row]
      for column in 0..<n { gradient[row * n + column] += back[row] * input[column] }
    }
  }
}
