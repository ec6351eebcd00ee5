import ArgumentParser
import Blockwise

/// How tokens are decided.
enum DecodeMethod: String, CaseIterable, ExpressibleByArgument {
  case auto, ar, diffusion, speculative

  /// As the library calls it.
  var method: GenerationOptions.Method {
    switch self {
    case .auto: .auto
    case .ar: .autoregressive
    case .diffusion: .diffusion
    case .speculative: .speculative
    }
  }
}

/// The method of decoding. Flags of the command line's contract that this version does not have are refused, never ignored.
struct MethodArguments: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "How tokens are decided: auto, ar (one after the other), speculative (guesses that one pass judges) or diffusion (masks, several in a pass).",
      valueName: "method"))
  var decode = DecodeMethod.auto

  @Option(
    name: .long,
    help: ArgumentHelp(
      "How masks are filled: a preset, slots such as \"block=fixed(32) commit=threshold(0.9)\", both, or @FILE.",
      valueName: "recipe"))
  var recipe: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Fill gaps of so many tokens in a text, which must not begin with one. A space before a gap is left to the gap.",
      valueName: "text <fill:12> text"))
  var infill: String?

  @Flag(name: .long, help: "Show on a terminal how a block settles.")
  var showBlocks = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where guesses come from: auto, none, or sources such as \"suffix+recycle,shape=cost(32),accept=exact\" or \"model:PATH\". auto also takes a table called draft.ngrams ('tune ngrams' makes one) and a model called draft that lie beside the model.",
      valueName: "sources"))
  var draft: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "A text that the answer is expected to resemble, such as the file that is edited: guesses follow it.",
      valueName: "file"),
    completion: .file())
  var expect: String?

  @Option(name: .long, help: ArgumentHelp("A JSON schema.", visibility: .hidden))
  var schema: String?

  @Option(name: .long, help: ArgumentHelp("A grammar.", visibility: .hidden))
  var grammar: String?

  @Option(name: .long, help: ArgumentHelp("A regular expression.", visibility: .hidden))
  var regex: String?

  /// A recipe as it was given; `@` names a file that holds one, in its first line that is no comment.
  static func text(of recipe: String?) throws -> String? {
    guard let recipe, recipe.hasPrefix("@") else { return recipe }
    let path = String(recipe.dropFirst())
    let text = try TextInput.text(TextInput.file(path), from: path)
    guard let line = TextInput.lines(text).first(where: { !$0.isEmpty && !$0.hasPrefix("#") }) else {
      throw UsageError("\(path) holds no recipe")
    }
    return String(line)
  }

  /// As the library calls it.
  var method: GenerationOptions.Method { decode.method }

  /// Refuses what cannot be meant together.
  static func check(_ decode: DecodeMethod, recipe: String?, draft: String?) throws {
    if let recipe, recipe.allSatisfy(\.isWhitespace) {
      throw ValidationError("--recipe is empty; leave it out for the model's own")
    }
    if let draft, draft.allSatisfy(\.isWhitespace) {
      throw ValidationError("--draft is empty; auto is what is taken without it, none guesses nothing")
    }
    if decode == .ar, recipe != nil { throw ValidationError("--recipe needs --decode diffusion or auto") }
    if decode == .speculative, recipe != nil {
      throw ValidationError("--recipe fills masks: it needs --decode diffusion or auto")
    }
    if let draft, draft != "none", decode == .ar || decode == .diffusion {
      throw ValidationError("--draft needs --decode speculative or auto")
    }
    if decode == .speculative, draft == "none" {
      throw ValidationError("--decode speculative with --draft none guesses nothing; that is --decode ar")
    }
    if let draft, draft != "none", recipe != nil {
      throw ValidationError(
        "--draft guesses ahead from left to right, --recipe fills masks: give one of them")
    }
  }

  func validate() throws {
    try Self.check(decode, recipe: recipe, draft: draft)
    if infill != nil, decode == .speculative || draft ?? "none" != "none" || expect != nil {
      throw ValidationError("--infill fills masks: it needs --decode diffusion or auto, and no guesses")
    }
    if decode == .ar, infill != nil { throw ValidationError("--infill needs --decode diffusion or auto") }
    if expect != nil, decode == .ar || decode == .diffusion || draft == "none" {
      throw ValidationError("--expect needs guesses: --decode speculative or auto")
    }
    let refused: [(String, String?)] = [("--schema", schema), ("--grammar", grammar), ("--regex", regex)]
    for (name, value) in refused where value != nil {
      throw ValidationError("\(name) is not supported by this version: it has no constraints")
    }
  }
}

extension MethodArguments {
  /// Passes the options for guesses on. A mistake in the text of the sources is one of usage.
  func setDraft(of options: inout GenerationOptions, _ model: LanguageModel) throws {
    options.draft = draft
    if let expect {
      let text = try TextInput.text(try TextInput.file(expect), from: expect)
      options.expectedTokens = model.tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: true)
    }
  }
}
