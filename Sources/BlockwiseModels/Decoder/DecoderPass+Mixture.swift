internal import BlockwiseKernels
internal import Foundation

/// Mixture-of-experts layers: rows are grouped by expert, and a row's experts are summed in the order of their rank,
/// whatever the grouping was.
extension DecoderPass {
  func mix(
    router: DecoderWeights.Projection,
    experts: [(gateUp: DecoderWeights.Projection, down: DecoderWeights.Projection)]
  ) {
    guard let mixture = configuration.mixture, let memory = workspace.experts else { return }
    let used = mixture.usedExpertCount
    let hidden = configuration.hiddenSize
    let input = workspace.normed
    project(
      router, input: input, rowCount: rowCount, output: memory.routerLogits.pointer,
      stride: mixture.expertCount)
    for row in 0..<rowCount { choose(row, mixture, memory) }

    for (expert, weights) in experts.enumerated() {
      var members: [(row: Int, rank: Int)] = []
      for row in 0..<rowCount {
        for rank in 0..<used where memory.chosen[row * used + rank] == expert { members.append((row, rank)) }
      }
      guard !members.isEmpty else { continue }
      for (index, member) in members.enumerated() {
        memory.input.row(index).update(from: input.row(member.row), count: hidden)
      }
      if model.mode == .int8 { memory.input.quantize(rowCount: members.count, kernels: kernels) }
      applyGated(
        gateUp: weights.gateUp, down: weights.down, input: memory.input, rowCount: members.count,
        gateUpOutput: memory.gateUp.pointer, inner: memory.inner, output: memory.output.pointer)
      for (index, member) in members.enumerated() {
        (memory.ranked.pointer + (member.row * used + member.rank) * hidden)
          .update(from: memory.output.pointer + index * hidden, count: hidden)
      }
    }

    for row in 0..<rowCount {
      let target = workspace.projected.pointer + row * hidden
      for element in 0..<hidden {
        var sum: Float = 0
        for rank in 0..<used {
          sum +=
            memory.weights[row * used + rank] * memory.ranked.pointer[(row * used + rank) * hidden + element]
        }
        target[element] = sum
      }
    }
  }

  /// The experts of a row by descending router probability (lowest index among equals), and their weights.
  private func choose(_ row: Int, _ mixture: DecoderConfiguration.Mixture, _ memory: ExpertWorkspace) {
    let used = mixture.usedExpertCount
    let logits = UnsafeBufferPointer(
      start: memory.routerLogits.pointer + row * mixture.expertCount, count: mixture.expertCount)
    let maximum = logits.max() ?? 0
    let exponentials = logits.map { expf($0 - maximum) }
    let total = exponentials.reduce(0, +)
    let order = exponentials.indices.sorted { (-exponentials[$0], $0) < (-exponentials[$1], $1) }
    var sum: Float = 0
    for rank in 0..<used {
      memory.chosen[row * used + rank] = order[rank]
      memory.weights[row * used + rank] = exponentials[order[rank]] / total
      sum += exponentials[order[rank]] / total
    }
    guard mixture.normalizesWeights else { return }
    for rank in 0..<used { memory.weights[row * used + rank] /= sum }
  }
}
