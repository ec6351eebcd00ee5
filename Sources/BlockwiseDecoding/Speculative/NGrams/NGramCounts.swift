internal import BlockwiseFiles

/// How often each token followed the contexts of a text, one to n tokens long.
///
/// Everything lies in a few flat arrays, so that a token is counted behind a context in tens of nanoseconds: small models write one in a quarter
/// of a millisecond.
struct NGramCounts: Sendable {
  /// A context that has occurred.
  struct Entry: Sendable {
    var hash: UInt64
    /// The entry of the context that is one token shorter; −1 for one token.
    var shorter: Int32
    /// Tokens that followed.
    var total: Int32 = 0
    /// The head of the list of them.
    var firstFollower: Int32 = -1
  }

  /// A token that has followed a context.
  struct Follower: Sendable {
    var token: TokenID
    var count: Int32
    var next: Int32
  }

  /// Tokens of the longest context.
  let maximumLength: Int
  private(set) var entries: [Entry] = []
  private(set) var followers: [Follower] = []
  /// Numbers of entries by their hashes, −1 where there is none; twice as many as entries at least.
  private var slots: [Int32]

  init(maximumLength: Int) {
    self.maximumLength = maximumLength
    slots = Array(repeating: -1, count: 256)
  }

  /// The entry of a context.
  func entry(_ context: NGramContext) -> Int? {
    let number = slots[slot(of: context.hash)]
    return number < 0 ? nil : Int(number)
  }

  /// Counts the token at `index` behind those before it.
  mutating func count(_ tokens: [TokenID], at index: Int) {
    var context = NGramContext()
    var shorter: Int32 = -1
    for length in 1...maximumLength {
      guard length <= index else { break }
      context.extend(by: tokens[index - length])
      shorter = count(tokens[index], behind: context.hash, shorter: shorter)
    }
  }

  private mutating func count(_ token: TokenID, behind hash: UInt64, shorter: Int32) -> Int32 {
    var slot = slot(of: hash)
    if slots[slot] < 0 {
      if 2 * entries.count >= slots.count {
        grow()
        slot = self.slot(of: hash)
      }
      slots[slot] = Int32(entries.count)
      entries.append(Entry(hash: hash, shorter: shorter))
    }
    let number = slots[slot]
    entries[Int(number)].total += 1
    let first = entries[Int(number)].firstFollower
    var follower = first
    while follower >= 0 {
      if followers[Int(follower)].token == token {
        let count = followers[Int(follower)].count + 1
        followers[Int(follower)].count = count
        // The most frequent one comes to the front, where it is found at once.
        if count > followers[Int(first)].count {
          let other = followers[Int(first)]
          (followers[Int(first)].token, followers[Int(first)].count) = (token, count)
          (followers[Int(follower)].token, followers[Int(follower)].count) = (other.token, other.count)
        }
        return number
      }
      follower = followers[Int(follower)].next
    }
    // A new one comes second.
    let new = Int32(followers.count)
    if first < 0 {
      followers.append(Follower(token: token, count: 1, next: -1))
      entries[Int(number)].firstFollower = new
    } else {
      followers.append(Follower(token: token, count: 1, next: followers[Int(first)].next))
      followers[Int(first)].next = new
    }
    return number
  }

  /// Where a context is or would be.
  private func slot(of hash: UInt64) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] >= 0, entries[Int(slots[slot])].hash != hash { slot = (slot + 1) & mask }
    return slot
  }

  private mutating func grow() {
    slots = Array(repeating: -1, count: 2 * slots.count)
    for (number, entry) in entries.enumerated() { slots[slot(of: entry.hash)] = Int32(number) }
  }
}
