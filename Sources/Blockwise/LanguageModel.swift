internal import BlockwiseKernels
internal import Foundation

/// A loaded model with its tokenizer: the entry to everything.
///
/// ```swift
/// let model = try await LanguageModel.load("Models/base")
/// let session = try model.session()
/// for try await event in session.generate("Once upon a time") {
///   if case .text(let text, _) = event { print(text, terminator: "") }
/// }
/// ```
public final class LanguageModel: Sendable {
  /// The network behind the tokens; decoders of one's own run on it.
  public let network: any BlockModel
  /// The network as sessions use it: passes that several of them ask for at the same time become one.
  public let merger: PassMerger
  /// Text to tokens and back.
  public let tokenizer: Tokenizer
  /// The chat templates that the checkpoint brings.
  public let chatTemplates: ChatTemplateSources
  /// Defaults that the checkpoint brings.
  public let generationConfiguration: GenerationConfiguration
  /// The folder or file that was loaded.
  public let path: String
  /// How the checkpoint was packed.
  public let summary: ModelSummary
  /// The most positions of a session.
  public let contextLength: Int
  /// How long loading took.
  public let loadTiming: LoadTiming
  /// Where names of draft models and heads are looked for: where its own was.
  let locator: ModelLocator
  /// What ``costCurve(cache:)`` found.
  let knownCostCurve = Protected<CostCurve?>(nil)
  /// What passes have cost lately.
  let passCosts = PassCostMemory()
  /// What sources of guesses have loaded.
  let drafts = Protected(LoadedDrafts())

  init(
    network: any BlockModel, tokenizer: Tokenizer, chatTemplates: ChatTemplateSources,
    generationConfiguration: GenerationConfiguration, path: String,
    summary: ModelSummary, contextLength: Int, loadTiming: LoadTiming, locator: ModelLocator
  ) {
    self.network = network
    merger = PassMerger(network)
    self.tokenizer = tokenizer
    self.chatTemplates = chatTemplates
    self.generationConfiguration = generationConfiguration
    self.path = path
    self.summary = summary
    self.contextLength = contextLength
    self.loadTiming = loadTiming
    self.locator = locator
  }

  /// What the model is able to do.
  public var traits: ModelTraits { network.traits }

  /// Tokens that end a text: the union of what configuration and tokenizer name.
  public var endTokens: Set<TokenID> {
    var tokens = Set(generationConfiguration.endTokens)
    if let token = tokenizer.eosToken { tokens.insert(token) }
    return tokens
  }

  /// A new conversation with a cache of its own.
  public func session() throws -> Session {
    Session(model: self, cache: try network.makeCache(contextLength: contextLength))
  }

  // MARK: Methods

  /// Resolves the method of a request by the model's traits.
  /// - Throws: ``DecodingError`` where the model cannot be decoded so, ``RecipeError``.
  public func decision(for options: GenerationOptions) throws -> MethodDecision {
    let wantsMasks = options.recipe != nil || options.canvas != nil
    let method: GenerationOptions.Method =
      switch options.method {
      case .auto: traits.isAutoregressive && !wantsMasks ? .speculative : .diffusion
      case let asked: asked
      }
    let isAsked = options.method != .auto
    guard method == .diffusion else {
      guard traits.isAutoregressive else {
        throw DecodingError.method(
          method.rawValue, family: traits.family, reason: "it fills masked blocks; diffusion works")
      }
      guard !wantsMasks else {
        throw DecodingError.option(
          options.recipe == nil ? "canvas" : "recipe", found: "given", expected: "none with this method")
      }
      let recipe = try draftRecipe(for: options)
      guard method == .speculative, let recipe else {
        guard recipe == nil else {
          throw DecodingError.option("draft", found: "given", expected: "none with method ar")
        }
        let isChosen = isAsked || options.draft != nil
        return MethodDecision(
          method: GenerationOptions.Method.autoregressive.rawValue, recipe: "", isLossy: false,
          reason: isChosen
            ? "it was asked for" : "passes of so small a model cost less than guessing ahead would",
          note: isChosen ? nil : tableNote)
      }
      var decision = MethodDecision(
        method: method.rawValue, recipe: recipe.text, isLossy: recipe.isLossy,
        reason: isAsked || options.draft != nil
          ? "it was asked for" : "the model is autoregressive, and guesses that turn out right save passes")
      var notes: [String] = []
      if takesCompanion(recipe, options), let companion = companionDraft, let refusal = companion.refusal {
        notes.append("\(companion.path) does not write ahead: \(refusal)")
      }
      if recipe.isAutomatic, let tableNote { notes.append(tableNote) }
      decision.note = notes.isEmpty ? nil : notes.joined(separator: "; ")
      return decision
    }
    guard options.draft == nil || options.draft == "none" else {
      throw DecodingError.option(
        "draft", found: "\"\(options.draft ?? "")\"", expected: "no guesses where masks are filled")
    }
    guard options.expectedTokens.isEmpty else {
      throw DecodingError.option("expected text", found: "given", expected: "none where masks are filled")
    }
    guard options.constraint == nil else {
      throw DecodingError.option("constraint", found: "given", expected: "none, diffusion has none yet")
    }
    let recipe = try recipe(options.recipe)
    // Whether model and recipe fit is found out here, before anything is changed.
    _ = try DiffusionDecoder(model: network, options: diffusionOptions(for: options, recipe: recipe))
    return MethodDecision(
      method: method.rawValue, recipe: recipe.text, isLossy: recipe.isLossy,
      reason: options.recipe != nil || isAsked ? "it was asked for" : "the model fills masks")
  }

  /// Why a table of n-grams beside the model is not used.
  private var tableNote: String? {
    companionTable.flatMap { table in table.refusal.map { "\(table.path) is not guessed from: \($0)" } }
  }

  func autoregressiveOptions(for options: GenerationOptions) -> AutoregressiveOptions {
    AutoregressiveOptions(
      maximumTokenCount: options.maximumTokenCount,
      stopTokens: options.stopTokens.union(options.ignoresEndOfText ? [] : endTokens),
      sampling: options.sampling, constraint: options.constraint,
      vocabularyLimit: min(tokenizer.vocabularyCount, traits.vocabularyCount))
  }
}
