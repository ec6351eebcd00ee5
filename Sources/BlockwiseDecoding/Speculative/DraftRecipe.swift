/// How text is guessed ahead: sources joined by `+`, how their guesses are cut, and what becomes of them.
///
/// The text form: `suffix+recycle,shape=cost(32),accept=exact`, `suffix(24,2):notes.txt`, `model(8):PATH`. A path goes to
/// the next `+` or `,`; between double quotes it may hold them.
public struct DraftRecipe: Sendable {
  /// One source with its path.
  public struct Source: Sendable {
    /// The source.
    public var policy: any DraftSourcePolicy
    /// The file or model it rests on; nil for none.
    public var path: String?
    /// Whether it stands for `auto` and can make room for what suits a model better.
    public var isAutomatic = false

    /// A source.
    public init(policy: any DraftSourcePolicy, path: String? = nil, isAutomatic: Bool = false) {
      self.policy = policy
      self.path = path
      self.isAutomatic = isAutomatic
    }

    /// A smaller model that writes so many tokens ahead.
    public static func model(depth: Int, path: String) -> Source {
      Source(policy: ModelPolicy([.whole(depth), .whole(1)]), path: path)
    }

    /// What the text and a table of n-grams say.
    public static func table(path: String) -> Source {
      Source(policy: NGramPolicy(NGramPolicy.parameters.compactMap(\.fallback)), path: path)
    }

    /// As the text form spells it.
    public var text: String {
      guard let path else { return policy.text }
      return policy.text + ":" + (path.contains { "+,".contains($0) } ? "\"\(path)\"" : path)
    }
  }

  /// Where guesses come from; none for plain decoding.
  public var sources: [Source]
  /// Which of them go into a pass.
  public var shape: any TreeShaper
  /// What becomes of them.
  public var accept: any AcceptRule

  /// What is taken where nothing is asked for and no table of n-grams lies beside the model.
  public static let automatic = "suffix+adaptive+recycle,shape=cost(32),accept=exact"

  /// All parts, every parameter given.
  public var text: String {
    "\(sources.isEmpty ? "none" : sources.map(\.text).joined(separator: "+")),shape=\(shape.text),accept=\(accept.text)"
  }

  /// Whether `auto` is among the sources: then what is risked is bounded for every text, and what suits the model may be added.
  public private(set) var isAutomatic = false

  /// Whether a smaller model is among the sources.
  public var hasDraftModel: Bool { sources.contains { type(of: $0.policy).pathKind == .model } }

  /// Whether the text can follow another distribution than that of plain decoding.
  public var isLossy: Bool { accept.isLossy }

  /// Reads a recipe. `auto` stands for the sources of ``automatic``, `none` for no sources.
  /// - Throws: ``RecipeError`` that points at the word.
  public init(_ text: String) throws(RecipeError) {
    let parser = RecipeParser(recipe: text)
    sources = []
    shape = CostShaper()
    accept = ExactAcceptance()
    var seen: Set<String> = []
    var isShaped = false
    for (index, part) in Self.split(text, by: ",").enumerated() {
      guard index > 0 else {
        try readSources(part, parser)
        continue
      }
      guard part.text.contains("=") else {
        throw parser.error(
          part.range, "expected shape=… or accept=… behind the comma; sources are joined by +, without spaces"
        )
      }
      let (slot, value) = try parser.assignment(part)
      guard seen.insert(slot).inserted else { throw parser.error(part.range, "\(slot) is given twice") }
      switch slot {
      case "shape":
        let policy = try parser.policy(
          value, slot: slot, known: TreeShapers.all, missing: TreeShapers.missing)
        if let policy = policy as? any TreeShaper { shape = policy }
        isShaped = true
      case "accept":
        let policy = try parser.policy(
          value, slot: slot, known: AcceptRules.all, missing: AcceptRules.missing)
        if let policy = policy as? any AcceptRule { accept = policy }
      default:
        throw parser.error(
          part.start..<part.start + max(1, slot.count), "there is no slot \(slot); slots are shape, accept")
      }
    }
    // A draft model or heads cost something before anything is known of it: whoever asks for one alone lets it try.
    if !isShaped, !isAutomatic,
      sources.contains(where: { [.model, .heads].contains(type(of: $0.policy).pathKind) })
    {
      shape = CostShaper(loss: 0.1)
    }
    if accept.textFollowsGuesses, !accept.needsWholeTree {
      if !isShaped { shape = BestShaper(count: 16) }
      if shape is CostShaper {
        throw parser.error(
          0..<max(1, text.count),
          "accept=\(accept.text) needs shape=best or all: cost follows measured times, and the text would with it"
        )
      }
    }
    if accept.needsWholeTree {
      if !isShaped { shape = WholeShaper() }
      if shape.looksAtGuesses {
        throw parser.error(
          0..<max(1, text.count),
          "accept=\(accept.text) needs shape=all: a tree that was drawn must not be cut by what was drawn")
      }
    }
  }

  private mutating func readSources(
    _ part: RecipeParser.Word, _ parser: RecipeParser
  ) throws(RecipeError) {
    if part.text == "none" { return }
    for word in Self.split(part, by: "+") {
      guard !word.text.isEmpty else { throw parser.error(word.start..<word.start + 1, "a source is missing") }
      if word.text == "auto" {
        isAutomatic = true
        sources += try DraftRecipe(Self.automatic).sources.map {
          Source(policy: $0.policy, path: $0.path, isAutomatic: true)
        }
        continue
      }
      let (head, path) = Self.divide(word)
      let policy = try parser.policy(
        head, slot: "draft", known: DraftSources.all, missing: DraftSources.missing)
      guard let policy = policy as? any DraftSourcePolicy else { continue }
      let name = type(of: policy).name
      switch (type(of: policy).pathKind, path) {
      case (nil, let path?): throw parser.error(path.range, "\(name) takes no path")
      case (.model, nil): throw parser.error(word.range, "\(name) needs a model: \(name):PATH")
      case (.heads, nil): throw parser.error(word.range, "\(name) needs a folder of heads: \(name):FOLDER")
      case (_, let path?) where path.text.isEmpty:
        throw parser.error(word.range, "the path is empty")
      default: break
      }
      sources.append(
        Source(
          policy: policy,
          path: try path.map { (path) throws(RecipeError) in
            try Self.unquoted(path, parser)
          }))
    }
    if sources.count > 16 { throw parser.error(part.range, "at most 16 sources, found \(sources.count)") }
  }

  // MARK: Text

  /// A path without its quotes.
  private static func unquoted(
    _ path: RecipeParser.Word, _ parser: RecipeParser
  ) throws(RecipeError) -> String {
    guard path.text.first == "\"" else { return String(path.text) }
    let inner = path.text.dropFirst().dropLast()
    guard path.text.count > 2, path.text.last == "\"", !inner.contains("\"") else {
      throw parser.error(path.range, "the quotes of a path stand around all of it")
    }
    return String(inner)
  }

  /// The word before the first colon outside of parentheses, and the path behind it.
  private static func divide(_ word: RecipeParser.Word) -> (RecipeParser.Word, RecipeParser.Word?) {
    var depth = 0
    for (offset, character) in word.text.enumerated() {
      if character == "(" { depth += 1 }
      if character == ")" { depth -= 1 }
      if character == ":", depth == 0 {
        return (
          RecipeParser.Word(text: word.text.prefix(offset), start: word.start),
          RecipeParser.Word(text: word.text.dropFirst(offset + 1), start: word.start + offset + 1)
        )
      }
    }
    return (word, nil)
  }

  private static func split(_ text: String, by separator: Character) -> [RecipeParser.Word] {
    split(RecipeParser.Word(text: Substring(text), start: 0), by: separator)
  }

  /// Parts between separators outside of parentheses and quotes.
  private static func split(_ word: RecipeParser.Word, by separator: Character) -> [RecipeParser.Word] {
    var parts: [RecipeParser.Word] = []
    var depth = 0
    var isQuoted = false
    var begin = word.text.startIndex
    var start = word.start
    var position = word.start
    for index in word.text.indices {
      let character = word.text[index]
      if character == "\"" { isQuoted.toggle() }
      if character == "(" { depth += 1 }
      if character == ")" { depth -= 1 }
      if character == separator, depth <= 0, !isQuoted {
        parts.append(RecipeParser.Word(text: word.text[begin..<index], start: start))
        begin = word.text.index(after: index)
        start = position + 1
      }
      position += 1
    }
    parts.append(RecipeParser.Word(text: word.text[begin...], start: start))
    return parts
  }
}
