internal import BlockwiseKernels
internal import Foundation

/// Mixture-of-experts layers: the rows of a block that use an expert go through it together, and a row's experts are summed
/// in the order of their rank, whatever the grouping was.
extension DecoderPass {
  func mix(
    router: DecoderWeights.Projection,
    experts: [(gateUp: DecoderWeights.Projection, down: DecoderWeights.Projection)]
  ) {
    guard let mixture = configuration.mixture, let memory = workspace.experts else { return }
    let hidden = configuration.hiddenSize
    project(
      router, input: workspace.normed, rowCount: rowCount, output: memory.router.pointer,
      stride: mixture.expertCount)
    let router = RouterJob(
      probabilities: memory.router.pointer, chosen: memory.chosen.pointer, weights: memory.weights.pointer,
      mixture: mixture)
    pool.run(rowCount, nanoseconds: rowCount * mixture.expertCount * 8, job: router)
    group(mixture, memory)

    for (expert, weights) in experts.enumerated() {
      let first = Int(memory.starts.pointer[expert])
      let count = Int(memory.starts.pointer[expert + 1]) - first
      guard count > 0 else { continue }
      let members = memory.members.pointer + first
      for index in 0..<count {
        memory.input.row(index)
          .update(from: workspace.normed.row(Int(members[index]) / mixture.usedExpertCount), count: hidden)
      }
      if model.mode == .int8 { round(memory.input, rowCount: count) }
      applyGated(
        gateUp: weights.gateUp, down: weights.down, input: memory.input, rowCount: count,
        gateUpOutput: memory.gateUp.pointer, inner: memory.inner, output: memory.output.pointer)
      for index in 0..<count {
        (memory.ranked.pointer + Int(members[index]) * hidden)
          .update(from: memory.output.pointer + index * hidden, count: hidden)
      }
    }
    pool.run(
      rowCount, nanoseconds: rowCount * mixture.usedExpertCount * hidden / 4,
      job: RankSumJob(
        ranked: memory.ranked.pointer, weights: memory.weights.pointer, used: mixture.usedExpertCount,
        output: workspace.projected.pointer, size: hidden))
  }

  /// Sorts the uses by expert, those of an expert by row.
  private func group(_ mixture: DecoderConfiguration.Mixture, _ memory: ExpertWorkspace) {
    let starts = memory.starts.pointer
    let uses = 0..<rowCount * mixture.usedExpertCount
    for expert in 0...mixture.expertCount { starts[expert] = 0 }
    for use in uses { starts[Int(memory.chosen.pointer[use])] += 1 }
    // Ends first; filling them from behind turns them into starts.
    for expert in 0..<mixture.expertCount { starts[expert + 1] += starts[expert] }
    for use in uses.reversed() {
      let expert = Int(memory.chosen.pointer[use])
      starts[expert] -= 1
      memory.members.pointer[Int(starts[expert])] = Int32(use)
    }
  }
}

/// Chooses the experts of a row: by descending router probability, the lowest index among equals.
private struct RouterJob: ParallelJob {
  /// Logits at first, `[rows, experts]`.
  let probabilities: UnsafeMutablePointer<Float>
  /// `[rows, used]`.
  let chosen: UnsafeMutablePointer<Int32>
  let weights: UnsafeMutablePointer<Float>
  let mixture: DecoderConfiguration.Mixture

  func run(item row: Int, worker: Int) {
    let values = probabilities + row * mixture.expertCount
    var maximum = -Float.infinity
    for expert in 0..<mixture.expertCount { maximum = max(maximum, values[expert]) }
    var total: Float = 0
    for expert in 0..<mixture.expertCount {
      values[expert] = expf(values[expert] - maximum)
      total += values[expert]
      // Ranks must be distinct experts; a NaN stays in the total, and so in every weight.
      if !(values[expert] >= 0) { values[expert] = 0 }
    }
    let used = mixture.usedExpertCount
    var sum: Float = 0
    for rank in 0..<used {
      var best = 0
      for expert in 1..<max(1, mixture.expertCount) where values[expert] > values[best] { best = expert }
      chosen[row * used + rank] = Int32(best)
      weights[row * used + rank] = values[best] / total
      sum += values[best] / total
      // Out of the running; probabilities are never negative.
      values[best] = -1
    }
    guard mixture.normalizesWeights else { return }
    for rank in 0..<used { weights[row * used + rank] /= sum }
  }
}

/// Adds up what the experts of a row made, in the order of their rank.
private struct RankSumJob: ParallelJob {
  /// `[rows, used, size]`.
  let ranked: UnsafePointer<Float>
  /// `[rows, used]`.
  let weights: UnsafePointer<Float>
  let used: Int
  /// `[rows, size]`.
  let output: UnsafeMutablePointer<Float>
  let size: Int

  func run(item row: Int, worker: Int) {
    let target = output + row * size
    for element in 0..<size {
      var sum: Float = 0
      for rank in 0..<used {
        sum += weights[row * used + rank] * ranked[(row * used + rank) * size + element]
      }
      target[element] = sum
    }
  }
}
