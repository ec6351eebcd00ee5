internal import Blockwise
internal import Synchronization

/// Extremely greedy parallel decoding (Learn2PD, arXiv 2509.25188): with the answer known, a pass decides every position that it
/// predicts right. What any commit policy can reach at best, and what a filter learns from.
struct OracleCommit: CommitPolicy {
  static let name = "oracle"
  static let parameters: [PolicyParameter] = []
  let values: [PolicyValue] = []

  final class Recorder: Sendable {
    private let state = Mutex<[CommitRecord]>([])
    var records: [CommitRecord] { state.withLock { $0 } }
    func append(_ record: CommitRecord) { state.withLock { $0.append(record) } }
  }

  let answer: OracleAnswer
  let recorder: Recorder

  init(answer: OracleAnswer, recorder: Recorder) {
    self.answer = answer
    self.recorder = recorder
  }
  init(_ values: [PolicyValue]) {
    self.init(answer: OracleAnswer(start: 0, tokens: [], isEnded: false, endTokens: []), recorder: Recorder())
  }

  var needs: StatisticNeeds { .allSlots }

  func select(_ step: BlockStep) -> [Int] {
    // Without a candidate a slot is known or decided.
    let isRight = step.candidates.indices.map { slot -> Bool? in
      guard let candidate = step.candidates[slot] else { return true }
      return answer.isRight(candidate.token, at: step.start + slot)
    }
    recorder.append(
      CommitRecord(probabilities: step.candidates.map { $0?.probability ?? 1 }, isRight: isRight))
    // Behind a limit there is nothing to wait for; behind an end only end tokens are what the model sees in practice.
    let open = step.openSlots
    let chosen = open.filter { isRight[$0] ?? !answer.isEnded }
    let answers = open.filter { answer.token(at: step.start + $0) != nil }
    // Nothing depends on what lies behind the end once the answer is there.
    if answer.isEnded, answers.allSatisfy(chosen.contains) { return open }
    // Where nothing of the answer is right, its leftmost open token is given.
    guard let first = answers.first, !answers.contains(where: chosen.contains) else { return chosen }
    return chosen + [first]
  }
}

/// Puts the known answer where the driver had to decide something else to get on.
struct OracleRevision: RevisePolicy {
  static let name = "oracle"
  static let parameters: [PolicyParameter] = []
  let values: [PolicyValue] = []
  let answer: OracleAnswer

  init(answer: OracleAnswer) { self.answer = answer }
  init(_ values: [PolicyValue]) {
    self.init(answer: OracleAnswer(start: 0, tokens: [], isEnded: false, endTokens: []))
  }

  /// What it puts right stays.
  var delaysEnd: Bool { false }

  func revise(_ state: RevisionState) -> [Revision] {
    state.committedNow.compactMap { slot in
      guard let wanted = answer.token(at: state.step.start + slot), let decided = state.decided[slot],
        decided.token != wanted
      else { return nil }
      return .replace(slot: slot, token: wanted, probability: decided.probability)
    }
  }
}
