/// One pass over a block: the probability of every slot's prediction, and whether it is right.
package struct CommitRecord: Sendable {
  /// One per slot; 1 where there is no prediction.
  package var probabilities: [Float]
  /// One per slot; nil where nobody can say.
  package var isRight: [Bool?]

  package init(probabilities: [Float], isRight: [Bool?]) {
    self.probabilities = probabilities
    self.isRight = isRight
  }
}
