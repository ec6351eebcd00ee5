import Foundation

/// Learn2PD (arXiv 2509.25188): a small trained network looks at the probabilities of the whole block and says which predictions are
/// final already. `blockwise tune commit` trains one for a model.
public struct FilterCommit: CommitPolicy {
  /// The name in recipes.
  public static let name = "filter"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [.path("file"), .number("accept", 0...1, 0.96)]
  /// Where the filter was read from.
  public var path: String
  /// The least probability of being final.
  public var accept: Double
  /// The network.
  public var filter: CommitFilter

  /// The policy.
  public init(_ filter: CommitFilter, path: String = "-", accept: Double = 0.96) {
    self.filter = filter
    self.path = path
    self.accept = accept
  }

  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) throws {
    guard case .path(let path) = values[0] else { preconditionFailure("a path is given") }
    self.init(try CommitFilter(path: path), path: path, accept: values[1].double)
  }

  /// The values of the parameters.
  public var values: [PolicyValue] { [.path(path), .number(accept)] }
  /// What it wants to know.
  public var needs: StatisticNeeds { .allSlots }

  /// The slots to decide.
  public func select(_ step: BlockStep) -> [Int] {
    let logits = filter.logits(step.candidates.map { $0?.probability ?? 1 })
    return step.openSlots.filter { $0 < filter.blockSize && 1 / (1 + exp(-Double(logits[$0]))) > accept }
  }
}
