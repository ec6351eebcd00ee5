/// How a diffusion model fills its masks: six policies that compose freely, driven by ``DiffusionDecoder``.
///
/// The text form names the slots, those left out have their defaults:
/// `block=ada(32,0.3) score=p1 commit=leap(0.9,0.75,4) revise=none cache=dual stop=eos-block`. The name of a preset may stand in
/// front: `fast-dllm commit=threshold(0.8)`.
public struct DenoiseRecipe: Sendable {
  /// Which positions may be worked on.
  public var block: any BlockPolicy
  /// How good a position is.
  public var score: any Scorer
  /// How many of them are decided in a pass.
  public var commit: any CommitPolicy
  /// Whether decisions are taken back.
  public var revise: any RevisePolicy
  /// Which rows are computed anew in a pass.
  public var cache: any CachePolicy
  /// When the text is complete.
  public var stop: any StopPolicy

  /// A recipe from its policies.
  public init(
    block: any BlockPolicy, score: any Scorer = ProbabilityScore(), commit: any CommitPolicy,
    revise: any RevisePolicy = NoRevision(), cache: any CachePolicy, stop: any StopPolicy = EarliestEnd()
  ) {
    self.block = block
    self.score = score
    self.commit = commit
    self.revise = revise
    self.cache = cache
    self.stop = stop
  }

  /// All slots, every parameter given.
  public var text: String {
    "block=\(block.text) score=\(score.text) commit=\(commit.text) revise=\(revise.text) cache=\(cache.text) stop=\(stop.text)"
  }

  /// Whether the result can differ from what the model gives with one token a pass and nothing cached. One token per pass
  /// in exact caches is the reference.
  public var isLossy: Bool {
    commit.isParallel || !(revise is NoRevision) || cache.isApproximate || stop.isApproximate
  }

  // MARK: Text

  /// Reads a recipe.
  /// - Parameter defaults: what slots have that the text leaves out.
  /// - Throws: ``RecipeError`` that points at the word.
  public init(_ text: String, defaults: DenoiseRecipe) throws(RecipeError) {
    self = defaults
    let parser = RecipeParser(recipe: text)
    var seen: Set<String> = []
    var commitRange: Range<Int>?
    for (index, word) in parser.words().enumerated() {
      if index == 0, !word.text.contains("=") {
        guard let preset = Self.presets.first(where: { $0.name == word.text }) else {
          throw parser.error(
            word.range,
            "there is no preset \(word.text); possible: \(Self.presets.map(\.name).joined(separator: ", "))")
        }
        for part in RecipeParser(recipe: preset.text).words() {
          let (slot, value) = try parser.assignment(part)
          try set(slot, value, at: part.range, parser)
        }
        continue
      }
      let (slot, value) = try parser.assignment(word)
      if slot == "commit" { commitRange = value.range }
      guard seen.insert(slot).inserted else { throw parser.error(word.range, "\(slot) is given twice") }
      try set(slot, value, at: word.start..<word.start + max(1, slot.count), parser)
    }
    if let commitRange, let threshold = commit as? ThresholdCommit {
      try check(threshold, at: commitRange, parser)
    }
  }

  /// `threshold(0,9)` is a slip of the pen: a threshold of 0 leaves nothing to a quota.
  private func check(
    _ threshold: ThresholdCommit, at range: Range<Int>, _ parser: RecipeParser
  ) throws(RecipeError) {
    guard score is ProbabilityScore, threshold.threshold == 0, threshold.passCount > 0 else { return }
    throw parser.error(
      range,
      "a threshold of 0 decides everything at once, whatever the passes; numbers are written with a point")
  }

  private mutating func set(
    _ slot: String, _ value: RecipeParser.Word, at range: Range<Int>, _ parser: RecipeParser
  ) throws(RecipeError) {
    switch slot {
    case "block":
      let policy = try parser.policy(
        value, slot: slot, known: BlockPolicies.all, missing: BlockPolicies.missing)
      if let policy = policy as? any BlockPolicy { block = policy }
    case "score":
      let policy = try parser.policy(value, slot: slot, known: Scorers.all, missing: Scorers.missing)
      if let policy = policy as? any Scorer { score = policy }
    case "commit":
      let policy = try parser.policy(
        value, slot: slot, known: CommitPolicies.all, missing: CommitPolicies.missing)
      if let policy = policy as? any CommitPolicy { commit = policy }
    case "revise":
      let policy = try parser.policy(
        value, slot: slot, known: RevisePolicies.all, missing: RevisePolicies.missing)
      if let policy = policy as? any RevisePolicy { revise = policy }
    case "cache":
      let policy = try parser.policy(
        value, slot: slot, known: CachePolicies.all, missing: CachePolicies.missing)
      if let policy = policy as? any CachePolicy { cache = policy }
    case "stop":
      let policy = try parser.policy(
        value, slot: slot, known: StopPolicies.all, missing: StopPolicies.missing)
      if let policy = policy as? any StopPolicy { stop = policy }
    default:
      throw parser.error(
        range, "there is no slot \(slot); slots are block, score, commit, revise, cache, stop")
    }
  }

  /// Published methods under the names of their papers; slots that they leave out keep the model's defaults.
  public static let presets: [(name: String, text: String)] = [
    ("one-per-pass", "commit=quota(0)"),
    ("llada-ref", "block=fixed(32) commit=quota(0) cache=none stop=budget"),
    ("fast-dllm", "block=fixed(32) commit=threshold(0.9) cache=dual"),
    ("adablock", "block=ada(32,0.3) commit=threshold(0.9) cache=dual"),
    ("localleap", "block=fixed(32) commit=leap(0.9,0.75,4) stop=eos-block"),
    ("klass", "block=fixed(64) commit=klass(0.9,0.01,2) cache=none"),
  ]
}
