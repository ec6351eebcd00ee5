import ArgumentParser

/// How tokens are decided.
enum DecodeMethod: String, CaseIterable, ExpressibleByArgument {
  case auto, ar, diffusion, speculative
}

/// Flags of the command line's contract whose methods this version does not have: refused, never ignored.
struct FutureArguments: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "How tokens are decided: auto or ar. (diffusion and speculative are refused by this version.)",
      valueName: "method"))
  var decode = DecodeMethod.auto

  @Option(name: .long, help: ArgumentHelp("A diffusion recipe.", visibility: .hidden))
  var recipe: String?

  @Option(name: .long, help: ArgumentHelp("A draft source; only none.", visibility: .hidden))
  var draft: String?

  @Option(name: .long, help: ArgumentHelp("A JSON schema.", visibility: .hidden))
  var schema: String?

  @Option(name: .long, help: ArgumentHelp("A grammar.", visibility: .hidden))
  var grammar: String?

  @Option(name: .long, help: ArgumentHelp("A regular expression.", visibility: .hidden))
  var regex: String?

  func validate() throws {
    switch decode {
    case .diffusion, .speculative:
      throw ValidationError(
        "--decode \(decode.rawValue) is not supported by this version; supported are auto and ar")
    case .auto, .ar: break
    }
    if let draft, draft != "none" {
      throw ValidationError("--draft \(draft) is not supported by this version; supported is none")
    }
    let refused: [(String, String?, String)] = [
      ("--recipe", recipe, "it has no diffusion decoder"), ("--schema", schema, "it has no constraints"),
      ("--grammar", grammar, "it has no constraints"), ("--regex", regex, "it has no constraints"),
    ]
    for (name, value, reason) in refused where value != nil {
      throw ValidationError("\(name) is not supported by this version: \(reason)")
    }
  }
}
