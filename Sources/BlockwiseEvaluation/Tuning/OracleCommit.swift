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

  let answer: [Int: TokenID]
  let recorder: Recorder

  /// - Parameter answer: the tokens by their positions.
  init(answer: [Int: TokenID], recorder: Recorder) {
    self.answer = answer
    self.recorder = recorder
  }
  init(_ values: [PolicyValue]) { self.init(answer: [:], recorder: Recorder()) }

  var needs: StatisticNeeds { .allSlots }

  func select(_ step: BlockStep) -> [Int] {
    func isRight(_ slot: Int) -> Bool {
      guard let candidate = step.candidates[slot] else { return true }
      // What lies behind the answer's end is as good as anything.
      return answer[step.start + slot].map { $0 == candidate.token } ?? true
    }
    recorder.append(
      CommitRecord(
        probabilities: step.candidates.map { $0?.probability ?? 1 },
        isRight: step.candidates.indices.map(isRight)))
    return step.openSlots.filter(isRight)
  }
}

/// Puts the known answer where the driver had to decide something else to get on.
struct OracleRevision: RevisePolicy {
  static let name = "oracle"
  static let parameters: [PolicyParameter] = []
  let values: [PolicyValue] = []
  let answer: [Int: TokenID]

  init(answer: [Int: TokenID]) { self.answer = answer }
  init(_ values: [PolicyValue]) { self.init(answer: [:]) }

  func revise(_ state: RevisionState) -> [Revision] {
    state.committedNow.compactMap { slot in
      guard let wanted = answer[state.step.start + slot], let decided = state.decided[slot],
        decided.token != wanted
      else { return nil }
      return .replace(slot: slot, token: wanted, probability: decided.probability)
    }
  }
}
