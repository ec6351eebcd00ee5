internal import BlockwiseFiles
internal import BlockwiseKernels

/// What leaves a pass: hidden states at taps, and the head for the rows that were asked for.
extension DecoderPass {
  func prepare(_ result: BlockResultBuffer) {
    result.vocabularyCount = configuration.vocabularyCount
    if result.entries.count > sequences.count { result.entries.removeSubrange(sequences.count...) }
    while result.entries.count < sequences.count { result.entries.append(.init()) }
    for (index, sequence) in sequences.enumerated() {
      result.entries[index].rows = sequence.plan.outputs.indices(rowCount: sequence.plan.rowCount)
      result.entries[index].statistics.removeAll(keepingCapacity: true)
      result.entries[index].taps.removeAll(keepingCapacity: true)
    }
  }

  /// Copies the residual stream for the sequences that tap it here.
  func record(_ tap: OutputRequest.Tap, into result: BlockResultBuffer) {
    let size = configuration.hiddenSize
    for (index, sequence) in sequences.enumerated() where sequence.plan.outputs.taps.contains(tap) {
      let source = model.workspace.hidden.pointer + sequence.firstRow * size
      let values = Array(UnsafeBufferPointer(start: source, count: sequence.plan.rowCount * size))
      result.entries[index].taps.append((tap, values))
    }
  }

  /// The final norm of all rows of the sequences that tap it.
  func recordFinal(into result: BlockResultBuffer) {
    let size = configuration.hiddenSize
    for (index, sequence) in sequences.enumerated() where sequence.plan.outputs.taps.contains(.final) {
      var values = [Float](repeating: 0, count: sequence.plan.rowCount * size)
      values.withUnsafeMutableBufferPointer { values in
        guard let target = values.baseAddress else { return }
        apply(
          model.weights.finalNorm, to: model.workspace.hidden.pointer + sequence.firstRow * size,
          stride: size, rowCount: sequence.plan.rowCount, columnCount: size, into: target, outputStride: size)
      }
      result.entries[index].taps.append((.final, values))
    }
  }

  /// Final norm and head of the requested rows only.
  func head(into result: BlockResultBuffer) {
    let vocabulary = configuration.vocabularyCount
    for (index, sequence) in sequences.enumerated() {
      let rows = result.entries[index].rows
      guard !rows.isEmpty else {
        result.entries[index].logits.removeAll(keepingCapacity: true)
        continue
      }
      let keeps = sequence.plan.outputs.detail == .logits
      // Statistics alone need no more logits at a time than fit a few rows.
      let chunkSize = keeps ? rows.count : Self.reducedRowCount
      var logits: [Float] = []
      if keeps {
        swap(&logits, &result.entries[index].logits)
        let missing = rows.count * vocabulary - logits.count
        if missing > 0 {
          logits.append(contentsOf: repeatElement(0, count: missing))
        } else {
          logits.removeLast(-missing)
        }
      } else {
        result.entries[index].logits.removeAll(keepingCapacity: true)
      }
      logits.withUnsafeMutableBufferPointer { logits in
        for first in stride(from: 0, to: rows.count, by: chunkSize) {
          let chunk = first..<min(first + chunkSize, rows.count)
          fillHeadInput(rows[chunk].map { sequence.firstRow + $0 })
          let target = logits.baseAddress.map { $0 + first * vocabulary } ?? model.workspace.logits.pointer
          result.entries[index].statistics += headRows(
            count: chunk.count, into: keeps ? target : model.workspace.logits.pointer)
        }
      }
      if keeps { swap(&logits, &result.entries[index].logits) }
    }
  }

  private func fillHeadInput(_ rows: [Int]) {
    let size = configuration.hiddenSize
    let input = model.workspace.headInput
    for (index, row) in rows.enumerated() {
      apply(
        model.weights.finalNorm, to: model.workspace.hidden.pointer + row * size, stride: size, rowCount: 1,
        columnCount: size, into: input.row(index), outputStride: input.stride)
    }
    if model.mode == .int8 { input.quantize(rowCount: rows.count, kernels: model.kernels) }
  }

  private func headRows(count: Int, into logits: UnsafeMutablePointer<Float>) -> [RowStatistics] {
    let vocabulary = configuration.vocabularyCount
    project(
      model.weights.head, input: model.workspace.headInput, rowCount: count, output: logits,
      stride: vocabulary)
    if let cap = configuration.finalSoftCap {
      model.kernels.softCap(logits, cap: cap, into: logits, count: count * vocabulary)
    }
    return (0..<count).map { row in
      guard let found = model.kernels.statistics(ofLogits: logits + row * vocabulary, count: vocabulary)
      else {
        return .undefined
      }
      return RowStatistics(
        top: TokenID(found.top), topLogit: found.topLogit, second: TokenID(found.second ?? found.top),
        secondLogit: found.secondLogit, logSumExp: Float(found.logSumExp), entropy: Float(found.entropy))
    }
  }
}
