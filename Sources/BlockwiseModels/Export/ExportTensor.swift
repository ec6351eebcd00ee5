package import BlockwiseFiles

/// A tensor of a checkpoint to be written: where its values come from and what happens to them on the way.
package struct ExportTensor: Sendable {
  /// Where values come from.
  package enum Source: Sendable {
    /// Tensors whose rows follow one another.
    case tensors([TensorView])
    /// Values that no tensor holds.
    case values([Float])
  }

  /// What a tensor is to the model, as far as that decides its format.
  package enum Role: Sendable, Hashable {
    /// A matrix of a layer; its number, or nil where the tensor belongs to none.
    case matrix(layer: Int?)
    /// The embedding; it is the head as well if the model ties them.
    case embedding
    case head
    /// Scores of experts, too small and too delicate for fewer bits.
    case router
    /// Norms, biases and other vectors.
    case vector
  }

  /// The name in the file to be.
  package var name: String
  /// Dimensions, outermost first.
  package var shape: [Int]
  /// What it is to the model.
  package var role: Role
  /// Where its values come from.
  package var source: Source
  /// In which order the rows are written.
  package var order = RowOrder.stored
  /// Every value is multiplied by this,
  package var factor: Float = 1
  /// and then increased by this.
  package var summand: Float = 0

  /// A tensor that is written as it is stored.
  package init(_ name: String, shape: [Int], role: Role, source: Source) {
    self.name = name
    self.shape = shape
    self.role = role
    self.source = source
  }

  /// Elements that are moved together: those of the last dimension, or one where the order is one of elements.
  package var rowLength: Int {
    shape.count == 1 && order != .stored ? 1 : max(1, shape.last ?? 1)
  }

  /// Rows of ``rowLength``.
  package var rowCount: Int { shape.reduce(1, *) / rowLength }

  /// Whether values change on the way.
  package var changesValues: Bool { factor != 1 || summand != 0 }

  /// How all of its source is stored, or nil if that differs or nothing is stored.
  package var storedType: TensorType? {
    guard case .tensors(let views) = source, let type = views.first?.type,
      views.allSatisfy({ $0.type == type })
    else { return nil }
    return type
  }

  /// Bytes of the source.
  package var sourceByteCount: Int {
    switch source {
    case .tensors(let views): views.reduce(0) { $0 + $1.byteCount }
    case .values(let values): values.count * 4
    }
  }
}
