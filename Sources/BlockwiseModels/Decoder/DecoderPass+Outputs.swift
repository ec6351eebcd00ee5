internal import BlockwiseFiles
internal import BlockwiseKernels

/// What leaves a pass: hidden states at taps, and the head for the rows that were asked for.
extension DecoderPass {
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
        norm(model.weights.finalNorm).apply(
          to: workspace.hidden.pointer + sequence.firstRow * size, stride: size,
          rowCount: sequence.plan.rowCount, columnCount: size, into: target, outputStride: size)
      }
      result.entries[index].taps.append((.final, values))
    }
  }

  /// Final norm and head of the requested rows, those of all sequences together: the head's weights are read once.
  func head(into result: BlockResultBuffer) {
    let vocabulary = configuration.outputCount
    workspace.withHeadOutputs { outputs in
      collect(&outputs, result, vocabulary)
      for first in stride(from: 0, to: outputs.count, by: DecoderWorkspace.headRowLimit) {
        headRows(outputs[first..<min(first + DecoderWorkspace.headRowLimit, outputs.count)], into: result)
      }
    }
  }

  private func collect(_ outputs: inout [HeadOutput], _ result: BlockResultBuffer, _ vocabulary: Int) {
    for (index, sequence) in sequences.enumerated() {
      let target = result.entries[index].logits
      let rows = result.entries[index].rows
      for (output, row) in rows.enumerated() {
        outputs.append(
          HeadOutput(
            sequence: index, row: sequence.firstRow + row, target: target.map { $0 + output * vocabulary },
            allowed: sequence.plan.outputs.allowed(output)))
      }
    }
  }

  private func headRows(_ outputs: ArraySlice<HeadOutput>, into result: BlockResultBuffer) {
    let head = model.weights.head
    workspace.withLogitRows { rows, statistics in
      let wordCount = (configuration.outputCount + 63) / 64
      for (index, output) in outputs.enumerated() {
        var words: UnsafeMutablePointer<UInt64>?
        if let allowed = output.allowed {
          let copy = workspace.allowed.pointer + index * wordCount
          allowed.words.withUnsafeBufferPointer { source in
            if let source = source.baseAddress { copy.update(from: source, count: wordCount) }
          }
          words = copy
        }
        rows.append(LogitRow(target: output.target, allowed: words.map { UnsafePointer($0) }))
      }
      while statistics.count < rows.count { statistics.append(nil) }
      outputs.withUnsafeBufferPointer { outputs in
        guard let outputs = outputs.baseAddress else { return }
        let size = configuration.hiddenSize
        let hidden = workspace.hidden.pointer
        for index in 0..<rows.count {
          norm(model.weights.finalNorm).apply(
            to: hidden + outputs[index].row * size, stride: size, rowCount: 1, columnCount: size,
            into: workspace.headInput.row(index), outputStride: workspace.headInput.stride)
        }
      }
      if model.mode == .int8 {
        round(workspace.headInput, rowCount: rows.count)
      }
      rows.withUnsafeBufferPointer { rows in
        statistics.withUnsafeMutableBufferPointer { statistics in
          kernels.logits(
            head.parts[0], input: workspace.headInput, rows: rows, bias: head.bias?.pointer,
            softCap: configuration.finalSoftCap, mode: model.mode, pool: pool, memory: workspace.logits,
            statistics: statistics)
        }
      }
      for (index, output) in outputs.enumerated() {
        result.entries[output.sequence].statistics.append(RowStatistics(statistics[index]))
      }
    }
  }
}

extension RowStatistics {
  /// What the kernels found; ``undefined`` where they found a NaN or +∞.
  fileprivate init(_ found: LogitStatistics?) {
    guard let found else {
      self = .undefined
      return
    }
    self.init(
      top: TokenID(found.top), topLogit: found.topLogit, second: TokenID(found.second ?? found.top),
      secondLogit: found.secondLogit, logSumExp: Float(found.logSumExp), entropy: Float(found.entropy))
  }
}
