/// What becomes of the keys and values of one row of a pass.
public enum RowWrite: Sendable, Hashable {
  /// The row extends the committed sequence by one slot.
  case append
  /// The row overwrites the slot with this index: a committed slot (recomputation), a canvas slot, or the first
  /// slot behind the canvas, which makes the canvas one longer.
  case replace(slot: Int)
  /// The row lives until the next pass unless ``CacheHandle/commit(scratchRows:)`` keeps it.
  case scratch
}
