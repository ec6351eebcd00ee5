public import BlockwiseFiles
internal import Foundation

/// ADED as its authors run it (arXiv 2407.12021): weights of tri-grams that grow by 0.04 for each of the last 16 tokens,
/// and a Monte Carlo tree search by PUCT over them. Kept to compare with: ``AdaptiveSource`` needs no search.
public struct PublishedTrigramSource: DraftSource {
  /// Names the random stream of the roll-outs.
  public let seed: UInt64
  private var weights: [[TokenID]: [TokenID: Float]] = [:]

  private static let step: Float = 0.04
  private static let cap: Float = 3
  private static let window = 16
  private static let iterationCount = 150
  private static let depth = 4
  private static let pathCount = 24
  private static let nodeCount = 64
  private static let constants = (first: 32.0, second: 8.0)

  /// A source over a corpus.
  public init(corpus: [TokenID] = [], seed: UInt64 = 0) {
    self.seed = seed
    for index in 2..<max(2, corpus.count) {
      weights[Array(corpus[index - 2..<index]), default: [:]][corpus[index], default: 0] += 1
    }
    for (pair, followers) in weights {
      let total = followers.values.reduce(0, +)
      let kept = followers.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(TrigramTable.keptCount)
      weights[pair] = Dictionary(uniqueKeysWithValues: kept.map { ($0.key, $0.value / total) })
    }
  }

  private struct Place {
    var token: TokenID
    var parent: Int
    var depth: Int
    var prior: Double
    var visits = 0.0
    var value = 0.0
    var children: [Int] = []
  }

  /// The weight of a token behind two others, as it is now.
  package func weight(_ token: TokenID, behind pair: [TokenID]) -> Float { weights[pair]?[token] ?? 0 }

  private func followers(_ pair: [TokenID]) -> [(token: TokenID, weight: Float)] {
    (weights[pair] ?? [:]).sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
  }

  private mutating func learn(_ tokens: [TokenID]) {
    for index in max(0, tokens.count - Self.window)..<max(0, tokens.count - 2) {
      let pair = Array(tokens[index..<index + 2])
      weights[pair, default: [:]][tokens[index + 2]] = min(
        Self.cap, weight(tokens[index + 2], behind: pair) + Self.step)
    }
  }

  /// The paths that the search visited most.
  public mutating func propose(_ context: DraftContext) -> TokenTree {
    let tokens = context.tokens
    guard tokens.count >= 2 else { return TokenTree() }
    learn(tokens)
    let root = Array(tokens.suffix(2))
    let stream = CounterRandom(seed: seed, choice: UInt32(truncatingIfNeeded: context.choice))
    var draw: UInt32 = 0
    var places = [Place(token: root[1], parent: -1, depth: 0, prior: 1)]
    func pair(_ place: Int) -> [TokenID] {
      let parent = places[place].parent
      return parent < 0 ? root : [places[parent].token, places[place].token]
    }
    for _ in 0..<Self.iterationCount {
      var place = 0
      while !places[place].children.isEmpty, places[place].depth < Self.depth {
        place = select(place, places)
      }
      if places[place].depth < Self.depth {
        for follower in followers(pair(place)) {
          places[place].children.append(places.count)
          places.append(
            Place(
              token: follower.token, parent: place, depth: places[place].depth + 1,
              prior: Double(follower.weight)))
        }
        if let last = places[place].children.last { place = last }
      }
      var score = 1.0
      var ancestor = place
      while ancestor > 0 {
        score += places[ancestor].prior
        ancestor = places[ancestor].parent
      }
      var tail = pair(place)
      for _ in places[place].depth..<Self.depth {
        let next = followers(tail)
        guard !next.isEmpty else { break }
        let number = stream.uniform(position: tokens.count, purpose: .draft, draw: draw)
        draw += 1
        var rest = number * next.reduce(0) { $0 + Double($1.weight) }
        let chosen = next.first { follower in
          rest -= Double(follower.weight)
          return rest < 0
        }
        guard let chosen = chosen ?? next.last else { break }
        score += Double(chosen.weight)
        tail = [tail[1], chosen.token]
      }
      while place >= 0 {
        places[place].visits += 1
        places[place].value += score
        place = places[place].parent
      }
    }
    return tree(places, root: root, context)
  }

  private func select(_ place: Int, _ places: [Place]) -> Int {
    func worth(_ child: Int) -> Double {
      let (node, parent) = (places[child], places[place])
      guard node.visits > 0 else { return .infinity }
      let (first, second) = Self.constants
      let exploration = first + log((parent.visits + second + 1) / second)
      return node.value / node.visits + exploration * node.prior * parent.visits.squareRoot()
        / (1 + node.visits)
    }
    return places[place].children.max { worth($0) < worth($1) } ?? place
  }

  /// The most visited paths, each with one more token; the longest are dropped until no more than 64 nodes are left.
  private func tree(_ places: [Place], root: [TokenID], _ context: DraftContext) -> TokenTree {
    var paths: [[TokenID]] = []
    let ranked = places.indices.dropFirst().sorted { (places[$1].visits, $0) < (places[$0].visits, $1) }
    for place in ranked.prefix(Self.pathCount) {
      var path: [TokenID] = []
      var next = place
      while next > 0 {
        path.insert(places[next].token, at: 0)
        next = places[next].parent
      }
      if let longer = followers(Array((root + path).suffix(2))).first { path.append(longer.token) }
      if !paths.contains(path) { paths.append(path) }
    }
    func tokenCount() -> Int { paths.reduce(0) { $0 + Set($1).count } }
    while tokenCount() > Self.nodeCount,
      let longest = paths.indices.max(by: { paths[$0].count < paths[$1].count })
    {
      paths.remove(at: longest)
    }
    var tree = TokenTree()
    for path in paths {
      var parent = -1
      for token in path.prefix(context.maximumDepth) {
        let tail = Array((root + tree.path(to: parent)).suffix(2))
        guard tree.child(of: parent, token: token) != nil || tree.count < context.maximumNodeCount else {
          break
        }
        parent = tree.insert(token, parent: parent, confidence: min(1, weight(token, behind: tail)))
      }
    }
    return tree
  }
}
