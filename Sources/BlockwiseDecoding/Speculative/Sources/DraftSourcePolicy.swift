public import BlockwiseFiles
public import BlockwiseModels

/// A source of guesses in the text form, such as `suffix(24,2)` or `model:PATH`.
public protocol DraftSourcePolicy: RecipePolicy {
  /// What the path behind a colon names; nil where there is none.
  static var pathKind: DraftPathKind? { get }
  /// The source.
  func makeSource(_ resources: DraftResources) throws -> any DraftSource
}

/// What a path in the text form of a source names.
public enum DraftPathKind: Sendable, Hashable {
  /// A text to learn from; it can be left out.
  case corpus
  /// A model, which must be given.
  case model
  /// A folder of heads, which must be given.
  case heads
  /// A table of n-grams; it can be left out.
  case table
}

/// What sources are made of.
public struct DraftResources: Sendable {
  /// The target model's traits.
  public var traits: ModelTraits
  /// Tokens that a text can have.
  public var vocabularyLimit: Int
  /// Positions of the generation.
  public var contextLength: Int
  /// The corpus that the source's path names.
  public var corpus: SuffixCorpus?
  /// The n-grams that the source's path names.
  public var table: NGramTable?
  /// The model that the source's path names.
  public var model: (any BlockModel)?
  /// The heads that the source's path names.
  public var heads: DraftHeads?
  /// Tokens that the two models share.
  public var sharedVocabularyCount: Int
  /// The text that the answer is expected to resemble.
  public var expected: [TokenID]
  /// What a pass of that model is thought to cost before it is measured, in passes of one row.
  public var stepCost = 0.3
  /// Whether guesses have to be drawn.
  public var isDrawn: Bool

  /// Resources without files.
  public init(
    traits: ModelTraits, vocabularyLimit: Int, contextLength: Int, expected: [TokenID] = [],
    isDrawn: Bool = false
  ) {
    self.traits = traits
    self.vocabularyLimit = vocabularyLimit
    self.contextLength = contextLength
    self.expected = expected
    self.isDrawn = isDrawn
    sharedVocabularyCount = vocabularyLimit
  }
}

/// The sources there are.
enum DraftSources {
  static let all: [any RecipePolicy.Type] = [
    LookupPolicy.self, NGramPolicy.self, SuffixPolicy.self, RecyclePolicy.self, AdaptivePolicy.self,
    AdedPolicy.self, ForcedPolicy.self, GivenPolicy.self, ModelPolicy.self, MedusaPolicy.self,
    HydraPolicy.self,
    EaglePolicy.self,
  ]
  static let missing: [String: String] = [
    "falcon": "heads are not built yet", "prompt": "parallel prompt decoding is not built yet",
    "mtp": "prediction layers of checkpoints are not read yet",
    "diffusion": "diffusion drafters are not built yet",
    "jacobi": "it computes too much for a processor; not built",
  ]
}

struct LookupPolicy: DraftSourcePolicy {
  static let name = "lookup"
  static let parameters: [PolicyParameter] = [.whole("length", 1...16, 3), .whole("count", 1...256, 10)]
  static let pathKind: DraftPathKind? = nil
  let values: [PolicyValue]
  init(_ values: [PolicyValue]) { self.values = values }
  func makeSource(_ resources: DraftResources) -> any DraftSource {
    LookupSource(maximumLength: values[0].int, guessCount: values[1].int)
  }
}

struct NGramPolicy: DraftSourcePolicy {
  static let name = "ngram"
  static let parameters: [PolicyParameter] = [.whole("length", 1...16, 8), .whole("count", 1...256, 16)]
  static let pathKind: DraftPathKind? = .table
  let values: [PolicyValue]
  init(_ values: [PolicyValue]) { self.values = values }
  func makeSource(_ resources: DraftResources) -> any DraftSource {
    NGramSource(maximumLength: values[0].int, guessCount: values[1].int, table: resources.table)
  }
}

struct SuffixPolicy: DraftSourcePolicy {
  static let name = "suffix"
  static let parameters: [PolicyParameter] = [.whole("count", 1...256, 24), .number("factor", 0.1...64, 2)]
  static let pathKind: DraftPathKind? = .corpus
  let values: [PolicyValue]
  init(_ values: [PolicyValue]) { self.values = values }
  func makeSource(_ resources: DraftResources) -> any DraftSource {
    SuffixSource(guessCount: values[0].int, factor: values[1].double, corpus: resources.corpus)
  }
}

struct RecyclePolicy: DraftSourcePolicy {
  static let name = "recycle"
  static let parameters: [PolicyParameter] = [.whole("followers", 1...64, 8), .whole("count", 1...256, 32)]
  static let pathKind: DraftPathKind? = nil
  let values: [PolicyValue]
  init(_ values: [PolicyValue]) { self.values = values }
  func makeSource(_ resources: DraftResources) -> any DraftSource {
    RecycleSource(followerCount: min(values[0].int, resources.vocabularyLimit), guessCount: values[1].int)
  }
}

struct AdaptivePolicy: DraftSourcePolicy {
  static let name = "adaptive"
  static let parameters: [PolicyParameter] = [.whole("count", 1...256, 32)]
  static let pathKind: DraftPathKind? = .corpus
  let values: [PolicyValue]
  init(_ values: [PolicyValue]) { self.values = values }
  func makeSource(_ resources: DraftResources) -> any DraftSource {
    AdaptiveSource(guessCount: values[0].int, corpus: resources.corpus?.tokens ?? [])
  }
}

struct AdedPolicy: DraftSourcePolicy {
  static let name = "aded"
  static let parameters: [PolicyParameter] = []
  static let pathKind: DraftPathKind? = .corpus
  let values: [PolicyValue]
  init(_ values: [PolicyValue]) { self.values = values }
  func makeSource(_ resources: DraftResources) -> any DraftSource {
    PublishedTrigramSource(corpus: resources.corpus?.tokens ?? [])
  }
}

struct ForcedPolicy: DraftSourcePolicy {
  static let name = "forced"
  static let parameters: [PolicyParameter] = [.whole("count", 1...256, 32)]
  static let pathKind: DraftPathKind? = nil
  let values: [PolicyValue]
  init(_ values: [PolicyValue]) { self.values = values }
  func makeSource(_ resources: DraftResources) -> any DraftSource {
    ForcedSource(vocabularyCount: resources.traits.vocabularyCount, guessCount: values[0].int)
  }
}

struct GivenPolicy: DraftSourcePolicy {
  static let name = "given"
  static let parameters: [PolicyParameter] = [.whole("count", 1...256, 32)]
  static let pathKind: DraftPathKind? = nil
  let values: [PolicyValue]
  init(_ values: [PolicyValue]) { self.values = values }
  func makeSource(_ resources: DraftResources) throws -> any DraftSource {
    guard !resources.expected.isEmpty else {
      throw DecodingError.option(
        "draft=given", found: "no expected text", expected: "a text that the answer resembles (--expect FILE)"
      )
    }
    return GivenSource(resources.expected, guessCount: values[0].int)
  }
}

/// `model(8):PATH`; for rules that judge draws `model(8,3):PATH` draws by beams of width 3.
struct ModelPolicy: DraftSourcePolicy {
  static let name = "model"
  static let parameters: [PolicyParameter] = [.whole("depth", 1...64, 8), .whole("width", 1...64, 1)]
  static let pathKind: DraftPathKind? = .model
  let values: [PolicyValue]
  init(_ values: [PolicyValue]) { self.values = values }
  func makeSource(_ resources: DraftResources) throws -> any DraftSource {
    guard let model = resources.model else {
      throw DecodingError.option("draft=model", found: "no model", expected: "model:PATH")
    }
    let (depth, width) = (values[0].int, values[1].int)
    let growth: DraftModelSource.Growth =
      !resources.isDrawn
      ? .chain(depth)
      : width == 1 ? .branching(Array(repeating: 1, count: depth)) : .beams(width: width, depth: depth)
    return try DraftModelSource(
      model: model, growth: growth, contextLength: resources.contextLength,
      vocabularyLimit: resources.sharedVocabularyCount, stepCost: resources.stepCost)
  }
}

extension DraftResources {
  /// The heads, which have to be of the source's kind.
  fileprivate func heads(_ kind: DraftHeads.Kind) throws -> DraftHeads {
    guard let heads else {
      throw DecodingError.option(
        "draft=\(kind.rawValue)", found: "no heads", expected: "\(kind.rawValue):FOLDER")
    }
    guard heads.kind == kind else {
      throw DecodingError.option(
        "draft=\(kind.rawValue)", found: "heads of \(heads.kind.rawValue) in \(heads.path)",
        expected: "heads of \(kind.rawValue)")
    }
    return heads
  }
}

/// `medusa(4):FOLDER`.
struct MedusaPolicy: DraftSourcePolicy {
  static let name = "medusa"
  static let parameters: [PolicyParameter] = [.whole("depth", 1...64, 4), .whole("width", 1...64, 10)]
  static let pathKind: DraftPathKind? = .heads
  let values: [PolicyValue]
  init(_ values: [PolicyValue]) { self.values = values }
  func makeSource(_ resources: DraftResources) throws -> any DraftSource {
    MedusaSource(
      heads: try resources.heads(.medusa), depth: values[0].int, width: values[1].int,
      stepCost: resources.stepCost)
  }
}

/// `hydra(4,4):FOLDER`, also Hydra++.
struct HydraPolicy: DraftSourcePolicy {
  static let name = "hydra"
  static let parameters: [PolicyParameter] = [.whole("depth", 1...64, 4), .whole("width", 1...64, 4)]
  static let pathKind: DraftPathKind? = .heads
  let values: [PolicyValue]
  init(_ values: [PolicyValue]) { self.values = values }
  func makeSource(_ resources: DraftResources) throws -> any DraftSource {
    try HydraSource(
      heads: try resources.heads(.hydra), depth: values[0].int, width: values[1].int,
      contextLength: resources.contextLength, stepCost: resources.stepCost)
  }
}

/// `eagle(6,4):FOLDER`.
struct EaglePolicy: DraftSourcePolicy {
  static let name = "eagle"
  static let parameters: [PolicyParameter] = [.whole("depth", 1...64, 6), .whole("width", 1...64, 4)]
  static let pathKind: DraftPathKind? = .heads
  let values: [PolicyValue]
  init(_ values: [PolicyValue]) { self.values = values }
  func makeSource(_ resources: DraftResources) throws -> any DraftSource {
    try EagleSource(
      heads: try resources.heads(.eagle), depth: values[0].int, width: values[1].int,
      contextLength: resources.contextLength, stepCost: resources.stepCost)
  }
}
