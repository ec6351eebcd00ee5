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

extension Kernels {
  /// Softmax attention of one row for the query heads that share one key/value head.
  ///
  /// Two passes: all scores and their exact maximum, then `Σ exp(s − max) · value` strictly in the order of the
  /// runs, divided by `Σ exp(s − max)`. Cutting the same slots into other runs does not change a bit, nor does the
  /// number of query heads given together. No visible slot gives zeros.
  ///
  /// - Parameters:
  ///   - queries: `[queryCount, headDimension]`, rows `queryStride` apart.
  ///   - head: where the keys and values are.
  ///   - pages: base address of every page of the sequence.
  ///   - runs: the visible slots in the order of absolute position (for a tree: prefix, then ancestors).
  ///   - output: `[queryCount, headDimension]`, rows `outputStride` apart.
  ///   - scores: scratch of `queryCount · visible slots` floats.
  package func attend(
    queries: UnsafePointer<Float>, queryStride: Int, queryCount: Int, head: AttentionHead,
    pages: UnsafePointer<UnsafeMutableRawPointer>, runs: UnsafeBufferPointer<SlotRun>,
    into output: UnsafeMutablePointer<Float>, outputStride: Int, scores: UnsafeMutablePointer<Float>
  ) {
    guard let firstRun = runs.baseAddress else {
      for query in 0..<queryCount {
        (output + query * outputStride).update(repeating: 0, count: head.headDimension)
      }
      return
    }
    var job = bw_attention(
      pages: UnsafeRawPointer(pages).assumingMemoryBound(to: UnsafeRawPointer.self),
      key_offset: head.keyOffset,
      value_offset: head.valueOffset,
      row_bytes: head.format.rowByteCount(headDimension: head.headDimension),
      format: head.format.rawFormat,
      head_dimension: Int32(head.headDimension),
      scale: head.scale,
      soft_cap: head.softCap ?? 0,
      runs: UnsafeRawPointer(firstRun).assumingMemoryBound(to: bw_run.self),
      run_count: runs.count,
      queries: queries,
      query_stride: queryStride,
      query_count: queryCount,
      output: output,
      output_stride: outputStride,
      scores: scores)
    table.pointee.attend(&job)
  }
}
