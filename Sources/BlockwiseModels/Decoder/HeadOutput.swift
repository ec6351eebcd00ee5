/// A row of a pass that gets an output.
struct HeadOutput {
  let sequence: Int
  /// Among all rows of the pass.
  let row: Int
  /// Where its logits go, f32 `[vocabulary]`; nil when only their statistics are wanted.
  let target: UnsafeMutablePointer<Float>?
  let allowed: TokenMask?
}
