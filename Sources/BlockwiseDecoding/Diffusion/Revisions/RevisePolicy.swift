public import BlockwiseFiles

/// Slot *revise*: whether decisions of the open block are taken back or changed. The driver lets no policy take back as much as a
/// pass has decided, so that every recipe ends.
public protocol RevisePolicy: RecipePolicy {
  /// What it wants to know.
  var needs: StatisticNeeds { get }
  /// Whether it needs a shadow row for every decided slot: a mask in its place that sees everything but its token.
  var needsShadows: Bool { get }
  /// What to change after a pass.
  func revise(_ state: RevisionState) -> [Revision]
  /// At most so many passes may follow the one that fills the last mask, as long as each changes something.
  var extraPassCount: Int { get }
  /// Whether what a pass leaves decided may still change in a later one, so that no end token counts before its block is finished.
  var delaysEnd: Bool { get }
}

extension RevisePolicy {
  /// Nothing beside the usual.
  public var needs: StatisticNeeds { [] }
  /// No.
  public var needsShadows: Bool { false }
  /// None.
  public var extraPassCount: Int { 0 }
  /// Yes.
  public var delaysEnd: Bool { true }
}

/// What a revise policy decides on.
public struct RevisionState: Sendable {
  /// The pass; slots that it has just decided are no longer open in ``decided``.
  public var step: BlockStep
  /// The tokens that slots hold, and the probability with which they were decided; nil for masks and for known tokens.
  public var decided: [(token: TokenID, probability: Float)?]
  /// The slots that this pass has decided.
  public var committedNow: [Int]
  /// Of decided slots, the probability of their token by their shadow row; nil where there was none.
  public var shadows: [Float?]
  /// The slots of the open part; all of them in blocks without parts.
  public var part: Range<Int>

  /// A state; see the members.
  public init(
    step: BlockStep, decided: [(token: TokenID, probability: Float)?], committedNow: [Int] = [],
    shadows: [Float?] = [], part: Range<Int>
  ) {
    self.step = step
    self.decided = decided
    self.committedNow = committedNow
    self.shadows = shadows
    self.part = part
  }
}

/// One change.
public enum Revision: Sendable, Hashable {
  /// Another token in a decided slot.
  case replace(slot: Int, token: TokenID, probability: Float)
  /// A mask again.
  case open(slot: Int)
}

/// The revise policies there are.
enum RevisePolicies {
  static let all: [any RecipePolicy.Type] = [
    NoRevision.self, TokenEditing.self, RunningConfidence.self, ShadowRows.self,
  ]
  static let missing: [String: String] = ["remdm": "the inserted steps of ReMDM are not built"]
}
