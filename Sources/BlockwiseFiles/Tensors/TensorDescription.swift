/// A tensor of a file to be: what its header says of it.
package struct TensorDescription: Sendable, Hashable {
  /// The name in the file.
  package var name: String
  /// How its elements are stored.
  package var type: TensorType
  /// Dimensions, outermost first.
  package var shape: [Int]

  /// A tensor by name, type and shape (outermost first).
  package init(name: String, type: TensorType, shape: [Int]) {
    self.name = name
    self.type = type
    self.shape = shape
  }
}
