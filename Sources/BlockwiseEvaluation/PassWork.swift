internal import Blockwise

/// The least that a pass reads and multiplies: what a roofline counts.
struct PassWork {
  /// All weights, but not an embedding table that is only looked up.
  let weightByteCount: Int
  /// Numbers in them.
  let weightCount: Int
  /// Of those, the numbers of the head, which only rows with logits meet.
  let headWeightCount: Int
  private let cacheBytesPerSlotAndLayer: Double
  private let windows: [Int?]

  init(_ model: LanguageModel) {
    let summary = model.summary
    guard let network = model.network as? DecoderModel else {
      weightByteCount = summary.weightByteCount
      weightCount = summary.parameterCount
      headWeightCount = 0
      cacheBytesPerSlotAndLayer = 0
      windows = []
      return
    }
    let configuration = network.configuration
    headWeightCount = configuration.vocabularyCount * configuration.hiddenSize
    let lookedUp = configuration.tiesEmbeddings ? 0 : headWeightCount
    weightCount = summary.parameterCount - lookedUp
    // A table that is only looked up is taken to be stored as the average weight is.
    let share = Double(weightCount) / Double(max(1, summary.parameterCount))
    weightByteCount = Int(Double(summary.weightByteCount) * share)
    let slotByteCount = Double(network.cacheLayout.pageByteCount) / Double(CacheLayout.pageSlotCount)
    cacheBytesPerSlotAndLayer = slotByteCount / Double(max(1, configuration.layerCount))
    windows = configuration.windows
  }

  /// Keys and values that a pass of `rowCount` rows behind `depth` tokens reads, each once for all rows.
  func cacheByteCount(depth: Int, rowCount: Int) -> Double {
    windows.reduce(0) { sum, window in
      // The first row of the pass reaches back a window, the last one ends at the last row.
      let slots = min(depth + rowCount, window.map { $0 + rowCount - 1 } ?? .max)
      return sum + Double(slots) * cacheBytesPerSlotAndLayer
    }
  }

  /// Bytes that a pass reads.
  /// - Parameter hasHead: whether any row gets logits.
  func byteCount(depth: Int, rowCount: Int, hasHead: Bool = true) -> Double {
    // The head is taken to be stored as the average weight is.
    let share = hasHead ? 1 : 1 - Double(headWeightCount) / Double(max(1, weightCount))
    return Double(weightByteCount) * share + cacheByteCount(depth: depth, rowCount: rowCount)
  }

  /// Multiplications and additions with weights.
  /// - Parameter outputCount: rows with logits.
  func operationCount(rowCount: Int, outputCount: Int) -> Double {
    2
      * (Double(weightCount - headWeightCount) * Double(rowCount) + Double(headWeightCount)
        * Double(outputCount))
  }

  /// Least seconds of a pass.
  func roofline(_ limits: MachineLimits, depth: Int, rowCount: Int, outputCount: Int) -> Double {
    limits.roofline(
      byteCount: byteCount(depth: depth, rowCount: rowCount, hasHead: outputCount > 0),
      operationCount: operationCount(rowCount: rowCount, outputCount: outputCount))
  }
}
