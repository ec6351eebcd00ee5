/// Which keys from before the pass take part in attention; rows of the pass itself always do (if visible).
public enum KeySelection: Sendable, Hashable {
  /// All of them.
  case all
  /// Per layer, only keys at these absolute positions, in increasing order. One entry per layer.
  case perLayer(positions: [[Int32]])
}
