internal import BlockwiseKernels

/// Attention of all rows of a sequence in one layer, item by item.
struct AttentionJob: ParallelJob {
  let kernels: Kernels
  let split: AttentionSplit
  /// All rows, with the query heads of the first key/value head and the scratch of the first worker.
  let block: AttentionBlock
  let cacheLayout: CacheLayout
  let layerIndex: Int
  /// Floats of scratch of one worker.
  let scratchCount: Int

  func run(item index: Int, worker: Int) {
    let item = split[index]
    let firstQuery = item.keyValueHead * block.queryCount + item.queries.lowerBound
    var part = block
    part.head.keyOffset = cacheLayout.keyOffset(layer: layerIndex, head: item.keyValueHead)
    part.head.valueOffset = cacheLayout.valueOffset(layer: layerIndex, head: item.keyValueHead)
    part.runBounds += item.rows.lowerBound
    part.rowCount = item.rows.count
    part.queryCount = item.queries.count
    part.queries += item.rows.lowerBound * block.queryRowStride + firstQuery * block.queryStride
    part.output += item.rows.lowerBound * block.outputRowStride + firstQuery * block.outputStride
    part.scratch += worker * scratchCount
    kernels.attend(part)
  }
}
