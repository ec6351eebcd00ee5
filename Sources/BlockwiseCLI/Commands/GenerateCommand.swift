import ArgumentParser
import Blockwise
import BlockwiseKernels
import Foundation

/// `blockwise generate`
struct GenerateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Continue a text.",
    discussion: """
      The prompt is the argument, the contents of --file, the ids of --prompt-tokens, or standard input (a final line \
      end of a file or of standard input does not belong to the prompt). The continuation is streamed to standard \
      output. The prompt is taken as it is, unless --chat, --system or another option of the chat template makes it a \
      message of a conversation. Ctrl-C ends it with the text so far; a second Ctrl-C quits at once.

      Examples:
        blockwise generate "Once upon a time"
        blockwise generate --temperature 0.8 --top-p 0.95 --seed 1 --max-tokens 200 "The old man"
        blockwise generate --model ~/models/Qwen2.5-0.5B --stats --stop "\\n\\n" --file prompt.txt
        blockwise generate --prompt-tokens 1,403,407 --json
        blockwise generate --model base-diffusion --recipe "commit=threshold(0.8)" --show-blocks --chat "Repeat: a b c"
        blockwise generate --model base-diffusion --infill "Tom had a <fill:8>. He was happy."
        blockwise generate --model ~/models/Qwen3-0.6B --system "Be brief." --thinking off "Why is the sky blue?"
      """)

  @Argument(help: "The text to continue. (default: standard input)")
  var prompt: String?

  @OptionGroup(title: "Prompt and length") var request: Request
  @OptionGroup(title: "Chat template") var chat: ChatArguments
  @OptionGroup(title: "Sampling") var sampling: SamplingArguments
  @OptionGroup(title: "Model") var name: ModelName
  @OptionGroup(title: "Model") var computing: ComputeArguments

  @Option(name: .long, help: "Arithmetic: int8 activations for quantised weights, or f32 everywhere.")
  var compute = ModelLoadOptions.Compute.auto

  @Option(name: .long, help: "How keys and values are kept. (default: f32 with --compute f32, else f16)")
  var cacheType: CacheFormat?

  @OptionGroup(title: "Method") var method: MethodArguments
  @OptionGroup var output: OutputArguments

  @Flag(name: .long, help: "Report method, speed and memory on standard error.")
  var stats = false

  /// What to continue and how far.
  struct Request: ParsableArguments {
    @Option(
      name: [.short, .long], help: "Read the prompt from a file; - is standard input.", completion: .file())
    var file: String?

    @Option(
      name: .long,
      help: ArgumentHelp("Token ids instead of text; nothing is added to them.", valueName: "1,2,3"),
      transform: TokenList.parse)
    var promptTokens: [TokenID]?

    @Option(
      name: [.customShort("n"), .long], parsing: .unconditional,
      help: ArgumentHelp(
        "At most this many new tokens; -1 goes on to the end of the context. (default: the checkpoint's, else 256)"
      ))
    var maxTokens: Int?

    @Option(
      name: .long,
      help: ArgumentHelp(
        "End before this text; \\n, \\t and \\\\ are understood. Can be repeated.", valueName: "text"))
    var stop: [String] = []

    @Option(name: .long, parsing: .unconditionalSingleValue, help: "End at this token. Can be repeated.")
    var stopToken: [Int32] = []

    @Flag(name: .long, help: "Go on after the model's end of text.")
    var ignoreEos = false

    @Flag(name: .long, help: "Take special tokens that are written in the prompt as plain text.")
    var plainPrompt = false

    @Flag(name: .long, help: "Show special tokens in the text.")
    var special = false

    func validate() throws {
      if let maxTokens, maxTokens < -1 {
        throw ValidationError("--max-tokens is \(maxTokens), expected -1 or more")
      }
      if stop.contains(where: \.isEmpty) { throw ValidationError("--stop is empty") }
      if let token = stopToken.first(where: { $0 < 0 }) {
        throw ValidationError("--stop-token is \(token), expected a token id")
      }
    }

    /// What only the model can tell.
    func check(vocabularyCount: Int) throws {
      if let token = stopToken.first(where: { $0 >= vocabularyCount }) {
        throw UsageError("--stop-token \(token) is outside the model's vocabulary of \(vocabularyCount)")
      }
    }
  }

  func validate() throws {
    let sources = [prompt != nil, request.file != nil, request.promptTokens != nil].filter { $0 }.count
    if sources > 1 { throw ValidationError("give the prompt once: as argument, --file or --prompt-tokens") }
    if chat.isChat, request.promptTokens != nil {
      throw ValidationError("--prompt-tokens are taken as they are; --chat and its options need text")
    }
    if chat.isChat, request.plainPrompt {
      throw ValidationError("--plain-prompt does not go with --chat: the template's own special tokens count")
    }
    if method.infill != nil {
      if sources > 0 || chat.isChat {
        throw ValidationError("--infill is the prompt: give no other and no --chat")
      }
      if request.maxTokens != nil {
        throw ValidationError("--infill says itself how many tokens are filled in")
      }
    }
    if let count = sampling.logprobs, count >= 0, !output.json {
      throw ValidationError("--logprobs needs --json")
    }
  }

  func run() async throws {
    let text = method.infill == nil ? try promptText() : []
    let chatOptions = chat.isChat ? try chat.options(name) : nil
    let model = try await LanguageModel.load(
      name, options: try computing.options(compute: compute, cacheType: cacheType))
    try request.check(vocabularyCount: model.traits.vocabularyCount)
    var options = try options(model)
    let tokens: [TokenID]
    var infill: Infill?
    if let template = method.infill {
      let parts = try Infill(template, model, parseSpecialTokens: !request.plainPrompt)
      tokens = parts.prompt
      options.canvas = parts.canvas
      infill = parts
    } else if let chatOptions {
      let messages = chat.messages(String(decoding: text, as: UTF8.self))
      tokens = try model.chatTokens(messages, options: chatOptions)
      options = model.chatGeneration(options, chatOptions)
    } else {
      tokens =
        try request.promptTokens ?? model.promptTokens(utf8: text, parseSpecialTokens: !request.plainPrompt)
    }
    if let note = sampling.ineffective(options.sampling) { StandardStream.error.note("Note: \(note).") }
    let decision = try model.decision(for: options)
    if method.showBlocks, decision.method != DecodeMethod.diffusion.rawValue {
      throw UsageError(
        "--show-blocks shows masks being filled, and this request is decoded by \(decision.method); --decode diffusion fills masks where the model can"
      )
    }
    if let infill, !output.json { try StandardStream.output.write(infill.start) }
    let (generation, isInterrupted) = try await stream(model, tokens: tokens, options: options)
    if output.json {
      let report = GenerationReport(
        generation: generation, tokenizer: model.tokenizer, seed: options.sampling.seed,
        showsLogProbabilities: sampling.logprobs != nil, infill: infill)
      try StandardStream.output.write(json: report.json)
    } else if !generation.text.hasSuffix("\n"), !generation.text.isEmpty || !isInterrupted {
      try StandardStream.output.write("\n")
    }
    if stats {
      StandardStream.error.note(
        GenerationReport.summary(generation, model: model, sampling: options.sampling))
    }
    if isInterrupted, generation.tokens.isEmpty { throw CommandInterrupted() }
  }

  /// The bytes of the prompt; empty when it is given as tokens.
  private func promptText() throws -> [UInt8] {
    if let prompt { return Array(prompt.utf8) }
    if request.promptTokens != nil { return [] }
    let source = request.file ?? "-"
    if request.file == nil, isatty(STDIN_FILENO) == 1 {
      throw UsageError("there is no prompt: give it as argument, with --file, or on standard input")
    }
    var bytes = try TextInput.file(source)
    _ = try TextInput.text(bytes, from: source == "-" ? "standard input" : source)
    if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
    return bytes
  }

  private func stream(
    _ model: LanguageModel, tokens: [TokenID], options: GenerationOptions
  ) async throws -> (Generation, isInterrupted: Bool) {
    let session = try model.session()
    var options = options
    let blocks =
      method.showBlocks && StandardStream.error.isTerminal ? BlockView(model: model, prompt: tokens) : nil
    options.showsPreviews = blocks != nil
    let interrupt = Interrupt { session.stop() }
    let progress = ProgressLine("Reading the prompt")
    defer { progress.end() }
    var result: Generation?
    // Where blocks settle, text is written when the view has gone; other methods write it as it comes.
    let isViewing =
      try blocks != nil && model.decision(for: options).method == DecodeMethod.diffusion.rawValue
    for try await event in session.generate(tokens: tokens, options: options) {
      switch event {
      case .prefill(let done, let total): progress.update("Reading the prompt \(done)/\(total)")
      case .preview(let canvas):
        progress.end()
        blocks?.show(canvas)
      case .text(let piece, _):
        progress.end()
        if !output.json, !isViewing { try StandardStream.output.write(piece) }
      case .finished(let generation):
        result = generation
        if let blocks, isViewing {
          blocks.clear()
          if !output.json { try StandardStream.output.write(generation.text) }
        }
      }
    }
    guard let result else { throw CommandInterrupted() }
    return (result, interrupt.isInterrupted)
  }

  private func options(_ model: LanguageModel) throws -> GenerationOptions {
    var options = GenerationOptions(
      method: method.method,
      maximumTokenCount: request.maxTokens.map { $0 < 0 ? nil : $0 }
        ?? model.generationConfiguration.maximumTokenCount ?? GenerationOptions().maximumTokenCount,
      sampling: sampling.options(model.recommendedSampling),
      stopStrings: request.stop.map(Self.unescaped),
      stopTokens: Set(request.stopToken.map { TokenID($0) }), ignoresEndOfText: request.ignoreEos,
      showsSpecialTokens: request.special)
    options.recipe = try MethodArguments.text(of: method.recipe)
    try method.setDraft(of: &options, model)
    return options
  }

  /// Shells make it hard to write a line end, so it can be written as in a string of a program.
  static func unescaped(_ text: String) -> String {
    var result = ""
    var rest = text.makeIterator()
    while let character = rest.next() {
      guard character == "\\" else {
        result.append(character)
        continue
      }
      switch rest.next() {
      case "n": result.append("\n")
      case "t": result.append("\t")
      case "\\", nil: result.append("\\")
      case let other?: result.append(contentsOf: ["\\", other])
      }
    }
    return result
  }
}
