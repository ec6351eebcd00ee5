internal import CBlockwiseKernels

/// Consecutive visible slots of a sequence's cache. Slot `s` lies in page `s / 64` of the page table.
package struct SlotRun: Sendable, Hashable {
  // The layout of bw_run: two 32-bit integers.
  package var start: Int32
  package var count: Int32

  package init(start: Int, count: Int) {
    self.start = Int32(start)
    self.count = Int32(count)
  }
}

/// Where the keys and values of one layer and one key/value head lie, and how scores are formed from them.
///
/// A page holds 64 slots. At `keyOffset` bytes from the page's base lie the head's keys, `[64][row bytes]`, and at
/// `valueOffset` its values; see ``CacheFormat/rowByteCount(headDimension:)``.
package struct AttentionHead: Sendable, Hashable {
  package var keyOffset: Int
  package var valueOffset: Int
  package var headDimension: Int
  package var format: CacheFormat
  /// Factor of `query · key`, usually `1/√headDimension`.
  package var scale: Float
  /// `c` of `c · tanh(score / c)`; nil for none.
  package var softCap: Float?

  package init(
    keyOffset: Int, valueOffset: Int, headDimension: Int, format: CacheFormat, scale: Float,
    softCap: Float? = nil
  ) {
    self.keyOffset = keyOffset
    self.valueOffset = valueOffset
    self.headDimension = headDimension
    self.format = format
    self.scale = scale
    self.softCap = softCap
  }
}

/// Rows of one sequence and their query heads that share one key/value head: what attention is asked at a time.
///
/// Pointers and numbers only; whoever makes one keeps the memory behind it alive.
package struct AttentionBlock {
  package var head: AttentionHead
  /// Base address of every page of the sequence.
  package var pages: UnsafePointer<UnsafeMutableRawPointer>
  /// Row `i` sees `runs[runBounds[i]..<runBounds[i + 1]]`, in the order of absolute position (for a tree: prefix, then
  /// ancestors).
  package var runs: UnsafePointer<SlotRun>
  /// `rowCount + 1` entries.
  package var runBounds: UnsafePointer<Int>
  package var rowCount: Int
  /// Query heads of a row.
  package var queryCount: Int
  /// `[rowCount, queryCount, headDimension]`.
  package var queries: UnsafePointer<Float>
  package var queryRowStride: Int
  package var queryStride: Int
  /// `[rowCount, queryCount, headDimension]`.
  package var output: UnsafeMutablePointer<Float>
  package var outputRowStride: Int
  package var outputStride: Int
  /// ``Kernels/attentionScratchCount(headDimension:visibleCount:)`` floats.
  package var scratch: UnsafeMutablePointer<Float>

  package init(
    head: AttentionHead, pages: UnsafePointer<UnsafeMutableRawPointer>, runs: UnsafePointer<SlotRun>,
    runBounds: UnsafePointer<Int>, rowCount: Int, queryCount: Int, queries: UnsafePointer<Float>,
    queryRowStride: Int, queryStride: Int, output: UnsafeMutablePointer<Float>, outputRowStride: Int,
    outputStride: Int, scratch: UnsafeMutablePointer<Float>
  ) {
    self.head = head
    self.pages = pages
    self.runs = runs
    self.runBounds = runBounds
    self.rowCount = rowCount
    self.queryCount = queryCount
    self.queries = queries
    self.queryRowStride = queryRowStride
    self.queryStride = queryStride
    self.output = output
    self.outputRowStride = outputRowStride
    self.outputStride = outputStride
    self.scratch = scratch
  }
}

extension Kernels {
  /// Softmax attention of every row and query head of a block.
  ///
  /// Two passes: all scores and their exact maximum, then `Σ exp(s − max) · value` strictly in the order of the
  /// runs, divided by `Σ exp(s − max)`. Rows that see the same keys, or nearly, are done together, and that shows in no
  /// bit: nor does cutting the same slots into other runs, nor the number of rows and query heads given at a time. A row
  /// without visible slots gets zeros.
  package func attend(_ block: AttentionBlock) {
    let head = block.head
    var job = bw_attention(
      pages: UnsafeRawPointer(block.pages).assumingMemoryBound(to: UnsafeRawPointer.self),
      key_offset: head.keyOffset,
      value_offset: head.valueOffset,
      row_bytes: head.format.rowByteCount(headDimension: head.headDimension),
      format: head.format.rawFormat,
      head_dimension: Int32(head.headDimension),
      scale: head.scale,
      soft_cap: head.softCap ?? 0,
      runs: UnsafeRawPointer(block.runs).assumingMemoryBound(to: bw_run.self),
      run_bounds: block.runBounds,
      row_count: block.rowCount,
      query_count: block.queryCount,
      queries: block.queries,
      query_row_stride: block.queryRowStride,
      query_stride: block.queryStride,
      output: block.output,
      output_row_stride: block.outputRowStride,
      output_stride: block.outputStride,
      scratch: block.scratch)
    table.pointee.attend(&job)
  }

  /// Floats of scratch that ``attend(_:)`` needs for rows that see at most `visibleCount` keys each.
  package static func attentionScratchCount(headDimension: Int, visibleCount: Int) -> Int {
    bw_attention_scratch(Int32(headDimension), visibleCount)
  }
}
