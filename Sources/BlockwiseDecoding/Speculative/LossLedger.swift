/// What guessing has saved and lost in a conversation, and what it may lose next, all in passes of one row.
///
/// A share of what plain decoding takes may be lost: of the passes so far, and of the reading of the prompt before them.
struct LossLedger {
  private let share: Double
  /// What was saved; negative where guessing has lost.
  private var balance = 0.0
  private var decodedCount = 0
  /// What of the share of reading the prompt may still be lost.
  private(set) var promptAllowance = 0.0
  /// What sources have taken to read the prompt beside the model.
  private(set) var readingCost = 0.0
  /// What guessing has taken beside the rows of passes, and what of it is not in the balance yet.
  private(set) var guessingCost = 0.0
  private var uncharged = 0.0

  /// Whoever waits for the second token is not to wait long because the first has taken long.
  private static let mostPromptAllowance = 1.0

  init(share: Double) { self.share = share }

  /// Whether the share holds for every single text, however short.
  var isStrict: Bool { share <= CostShaper.strictLoss }

  private var strictShare: Double { min(share, CostShaper.strictLoss) }

  /// Tokens that count as decoded before the first, so that guessing can begin. Under a strict bound none do, and the first one,
  /// which comes with the prompt, has cost no pass to measure a loss by.
  private var credit: Double { isStrict ? -1 : 8 }

  /// What the next pass may lose.
  var allowance: Double { max(0, balance + promptAllowance + share * (Double(decodedCount) + credit)) }

  /// What the next answer of a conversation inherits. Where more than the strict share was allowed to be lost, it does not
  /// inherit that. Of the prompt's share it inherits nothing, but losses that this covers are none; reading that has taken more
  /// than the share is a loss.
  var earned: Double {
    let earned = balance + strictShare * Double(max(0, decodedCount - 1))
    return promptAllowance < 0 ? earned + promptAllowance : max(earned, min(0, earned + promptAllowance))
  }

  /// Begins with what the conversation has saved or lost before.
  mutating func inherit(_ earned: Double) { balance = earned }

  /// Takes in that the model reads so much of the prompt by itself. Who may lose more than the strict share begins with that.
  mutating func allowReading(_ cost: Double) { if isStrict { promptAllowance += share * cost } }

  /// Takes in what a source has taken to read the prompt.
  mutating func spendReading(_ cost: Double) {
    readingCost += cost
    if isStrict { promptAllowance -= cost }
  }

  /// Lets the rest of the prompt's share go to guesses, but for what would be too much for them.
  mutating func endReading() { promptAllowance = min(promptAllowance, Self.mostPromptAllowance) }

  /// Takes in what guessing has taken beside the rows.
  mutating func spend(_ cost: Double) { uncharged += cost }

  /// Settles a pass.
  /// - Parameter newCount: tokens that it has brought, each of them a pass of plain decoding.
  mutating func settle(newCount: Int, passCost: Double) {
    decodedCount += newCount
    balance += Double(newCount) - passCost - uncharged
    guessingCost += uncharged
    uncharged = 0
  }
}
