/// EoTP (Learn2PD, arXiv 2509.25188): where an end token is predicted with confidence in the open block, the canvas behind it is
/// dropped, although it is not decided yet. The published code cuts at any prediction; here it must exceed a threshold.
public struct EndPrediction: StopPolicy {
  /// The name in recipes.
  public static let name = "eotp"
  /// What stands between the parentheses.
  public static let parameters: [PolicyParameter] = [.number("threshold", 0...1, 0.9)]
  /// The least probability.
  public var threshold: Double

  /// The policy.
  public init(_ threshold: Double = 0.9) { self.threshold = threshold }
  /// A policy from values that fit the parameters.
  public init(_ values: [PolicyValue]) { self.init(values[0].double) }
  /// The values of the parameters.
  public var values: [PolicyValue] { [.number(threshold)] }

  /// A prediction is not a decision yet.
  public var isApproximate: Bool { true }

  /// What to do after a pass.
  public func decide(_ state: StopState) -> StopDecision {
    let ended = EarliestEnd().decide(state)
    guard ended == .goOn else { return ended }
    let found = state.predictedEnds.filter { Double($0.probability) > threshold }.map(\.slot).min()
    return found.map { .truncate($0 + 1) } ?? .goOn
  }
}
