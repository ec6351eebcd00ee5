internal import BlockwiseKernels
internal import Foundation

extension LanguageModel {
  /// How a request guesses ahead; nil where it does not.
  /// - Throws: ``RecipeError`` that points at the word.
  func draftRecipe(for options: GenerationOptions) throws -> DraftRecipe? {
    if options.draft == nil, options.method == .auto, isTooSmallForGuesses, options.expectedTokens.isEmpty,
      options.constraint == nil, usableTable == nil
    {
      return nil
    }
    let text = options.draft ?? (options.method == .autoregressive ? "none" : "auto")
    var recipe = try DraftRecipe(text)
    if recipe.sources.isEmpty { return nil }
    if recipe.isAutomatic {
      if let table = usableTable, let first = recipe.sources.firstIndex(where: \.isAutomatic) {
        // It counts the text as well: on four kinds of text the others beside it were worth less than they took.
        recipe.sources.removeAll(where: \.isAutomatic)
        recipe.sources.insert(.table(path: table.path), at: first)
      }
      // What is known of the answer already is always worth a guess.
      if options.constraint != nil { recipe.sources += try DraftRecipe("forced").sources }
      if takesCompanion(recipe, options), let companion = companionDraft, companion.refusal == nil {
        recipe.sources.append(.model(depth: CompanionDraft.depth, path: companion.path))
      }
    }
    if !options.expectedTokens.isEmpty,
      !recipe.sources.contains(where: { type(of: $0.policy).name == "given" })
    {
      recipe.sources = try DraftRecipe("given").sources + recipe.sources
    }
    return recipe
  }

  /// The n-grams beside the model, where they can be used.
  private var usableTable: CompanionTable? { companionTable.flatMap { $0.refusal == nil ? $0 : nil } }

  /// Whether passes take so little time that what guessing costs beside them is lost as a rule: below 64 MiB of weights, a few
  /// milliseconds.
  var isTooSmallForGuesses: Bool { summary.weightByteCount < 64 << 20 }

  /// Whether a draft model beside the model may write ahead without being asked for: where what it may lose is bounded.
  func takesCompanion(_ recipe: DraftRecipe, _ options: GenerationOptions) -> Bool {
    // A step is a quarter of a pass where both are small, unless passes are taken to cost what they do elsewhere.
    recipe.isAutomatic && recipe.shape is CostShaper && !recipe.hasDraftModel
      && (!isTooSmallForGuesses || options.costCurve != nil || options.draft != nil && usableTable == nil)
  }

  /// What lies beside the model to write ahead for it.
  var companionDraft: CompanionDraft? {
    drafts.withLock { drafts in
      if let known = drafts.companion { return known }
      let found = CompanionDraft(beside: path, weightByteCount: summary.weightByteCount)
      drafts.companion = .some(found)
      return found
    }
  }

  /// The n-grams that lie beside the model.
  var companionTable: CompanionTable? {
    if let known = drafts.withLock({ $0.companionTable }) { return known }
    let places = CompanionFiles(beside: path).paths([CompanionTable.name], ending: "-" + CompanionTable.name)
    let tables = places.lazy.filter { FileKind.exists($0) }.map { path in
      do {
        _ = try self.draftTable(path)
        return CompanionTable(path: path)
      } catch {
        return CompanionTable(path: path, refusal: (error as? DraftFileError)?.reason ?? "\(error)")
      }
    }
    let found = tables.first { $0.refusal == nil } ?? tables.first
    drafts.withLock { $0.companionTable = .some(found) }
    return found
  }

  /// Loads what `auto` takes for a request without being asked for it. What cannot be used is left out from then on, and
  /// ``MethodDecision/note`` says why.
  func prepareDrafts(for options: GenerationOptions) async throws {
    guard let decision = try? decision(for: options),
      decision.method == GenerationOptions.Method.speculative.rawValue,
      let recipe = try? draftRecipe(for: options), recipe.isAutomatic, let companion = companionDraft,
      companion.refusal == nil, recipe.sources.contains(where: { $0.path == companion.path })
    else { return }
    do {
      let draft = try await draftModel(companion.path)
      guard draft.traits.isAutoregressive else {
        throw DraftFileError(path: companion.path, reason: "it does not write from left to right")
      }
    } catch let error as CancellationError {
      throw error
    } catch {
      var reason = (error as? DraftFileError)?.reason ?? "\(error)"
      if reason.hasPrefix(companion.path + ": ") { reason.removeFirst(companion.path.count + 2) }
      drafts.withLock { drafts in
        drafts.models[companion.path] = nil
        drafts.companion = .some(companion.refused(reason))
      }
    }
  }

  /// Options of the decoder for a request: loads the models and texts that sources rest on, once per path.
  /// - Throws: what loading throws, ``DecodingError`` for sources that do not fit the model.
  func speculativeOptions(
    for options: GenerationOptions, recipe: DraftRecipe, contextLength: Int, memory: DraftMemory? = nil
  ) async throws -> SpeculativeOptions {
    var sources: [(name: String, source: any DraftSource)] = []
    let plain = autoregressiveOptions(for: options)
    for source in recipe.sources {
      var resources = DraftResources(
        traits: traits, vocabularyLimit: plain.vocabularyLimit ?? traits.vocabularyCount,
        contextLength: contextLength, expected: options.expectedTokens, isDrawn: recipe.accept.needsWholeTree)
      if let path = source.path {
        switch type(of: source.policy).pathKind {
        case .corpus: resources.corpus = try draftCorpus(path)
        case .model:
          let draft = try await draftModel(path)
          resources.model = draft.network
          // A pass reads its weights once; small ones have other costs beside.
          resources.stepCost = min(
            1, 0.02 + 1.5 * Double(draft.summary.weightByteCount) / Double(max(1, summary.weightByteCount)))
          resources.sharedVocabularyCount = min(
            resources.vocabularyLimit, draft.tokenizer.vocabularyCount, draft.traits.vocabularyCount)
        case .heads:
          let heads = try await draftHeads(path)
          resources.heads = heads
          // About a third of them are read for a level.
          resources.stepCost = min(
            1, 0.02 + 0.5 * Double(heads.byteCount) / Double(max(1, summary.weightByteCount)))
        case .table: resources.table = try draftTable(path)
        case nil: break
        }
      }
      sources.append((source.text, try source.policy.makeSource(resources)))
    }
    var decoding = SpeculativeOptions(
      plain: plain, sources: sources, shape: recipe.shape, accept: recipe.accept,
      costCurve: options.costCurve ?? knownCostCurve.withLock { $0 }, memory: memory)
    decoding.stepCost = options.draftStepCost
    return decoding
  }

  /// More than any corpus that is searched has.
  private static let corpusByteLimit = 256 << 20

  /// The corpus in a text file, as this model's tokens.
  private func draftCorpus(_ path: String) throws -> SuffixCorpus {
    if let known = drafts.withLock({ $0.corpora[path] }) { return known }
    guard
      ((try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0)
        <= Self.corpusByteLimit
    else {
      throw DraftFileError(path: path, reason: "it has more than \(Self.corpusByteLimit >> 20) MiB")
    }
    guard FileKind(path) == .file, let data = FileManager.default.contents(atPath: path) else {
      throw DraftFileError(path: path, reason: "it cannot be read")
    }
    guard let text = String(validating: data, as: UTF8.self) else {
      throw DraftFileError(path: path, reason: "it is no UTF-8 text")
    }
    let corpus: SuffixCorpus
    do {
      corpus = try SuffixCorpus(tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: true))
    } catch {
      throw DraftFileError(path: path, reason: error.description)
    }
    drafts.withLock { $0.corpora[path] = corpus }
    return corpus
  }

  /// The n-grams in a file, which have to be of this model's tokens.
  private func draftTable(_ path: String) throws -> NGramTable {
    if let known = drafts.withLock({ $0.tables[path] }) { return known }
    let table: NGramTable
    do {
      table = try NGramTable(path: path)
    } catch {
      throw DraftFileError(path: path, reason: "\(error)")
    }
    guard table.vocabulary == vocabularyFingerprint else {
      throw DraftFileError(path: path, reason: "it was counted with another vocabulary")
    }
    drafts.withLock { $0.tables[path] = table }
    return table
  }

  /// What tables of n-grams are told apart by.
  public var vocabularyFingerprint: VocabularyFingerprint {
    VocabularyFingerprint((0..<tokenizer.vocabularyCount).lazy.map { self.tokenizer.bytes(of: TokenID($0)) })
  }

  /// Heads on this model's hidden states.
  private func draftHeads(_ name: String) async throws -> DraftHeads {
    if let known = drafts.withLock({ $0.heads[name] }) { return known }
    guard let target = network as? DecoderModel else {
      throw DraftFileError(path: name, reason: "this model has no hidden states")
    }
    let path = try locator.headsPath(for: name)
    let heads = try await LoadingThread.run { try DraftHeads.load(path: path, target: target) }
    drafts.withLock { $0.heads[name] = heads }
    return heads
  }

  /// A model that writes ahead, with the same tokens.
  private func draftModel(_ path: String) async throws -> LanguageModel {
    // Sessions that ask for it at the same time share one.
    let task = drafts.withLock { drafts in
      if let known = drafts.models[path] { return known }
      let task = Task { try await self.loadDraft(path) }
      drafts.models[path] = task
      return task
    }
    do {
      return try await task.value
    } catch {
      // The file can be mended, and asked for again.
      drafts.withLock { if $0.models[path] == task { $0.models[path] = nil } }
      throw error
    }
  }

  private func loadDraft(_ path: String) async throws -> LanguageModel {
    let options = ModelLoadOptions(threadCount: summary.threadCount)
    let draft = try await LanguageModel.load(path, options: options, locator: locator, companion: self)
    let shared = min(tokenizer.vocabularyCount, draft.tokenizer.vocabularyCount)
    for index in 0..<shared
    where tokenizer.bytes(of: TokenID(index)) != draft.tokenizer.bytes(of: TokenID(index)) {
      throw DraftFileError(
        path: path,
        reason: "token \(index) is another one than in \(self.path): a draft model needs the same vocabulary")
    }
    return draft
  }
}

/// Models, heads and texts that sources of guesses rest on, by path.
struct LoadedDrafts: Sendable {
  /// What lies beside the model; nil while nobody has looked.
  var companion: CompanionDraft??
  var models: [String: Task<LanguageModel, any Error>] = [:]
  var heads: [String: DraftHeads] = [:]
  var corpora: [String: SuffixCorpus] = [:]
  /// The table that lies beside the model; nil while nobody has looked.
  var companionTable: CompanionTable??
  var tables: [String: NGramTable] = [:]
}

/// A file or model that a source of guesses cannot use.
public struct DraftFileError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The file, folder or name.
  public var path: String
  /// What is wrong with it.
  public var reason: String

  /// Path and reason.
  public var description: String { "\(path) cannot be drafted from: \(reason)" }
}
