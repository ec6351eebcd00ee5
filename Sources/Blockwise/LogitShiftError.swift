/// A diffusion model whose rows speak of other positions than its file says.
public struct LogitShiftError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What the file says.
  public var said: ModelTraits.LogitAlignment
  /// What the model does.
  public var found: ModelTraits.LogitAlignment
  /// The file.
  public var file: String

  /// Both, and what is wrong.
  public var description: String {
    func words(_ alignment: ModelTraits.LogitAlignment) -> String {
      alignment == .same ? "speak of their own positions" : "speak of the positions behind them"
    }
    return
      "\(file): its rows should \(words(said)) (shift_logits \(said == .previous)), but asked for hidden words they "
      + "\(words(found)); the key is wrong, or the weights belong to another model"
  }
}
