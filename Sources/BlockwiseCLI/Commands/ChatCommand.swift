import ArgumentParser
import Blockwise
import BlockwiseKernels
import Foundation

/// `blockwise chat`
struct ChatCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat",
    abstract: "Talk with a model.",
    discussion: """
      Needs a model with a chat template, as the shipped ones have. Each answer evaluates only what is new in \
      the conversation. On a terminal, messages are edited with the usual keys and may have several lines; /help lists \
      the commands. Otherwise each line of standard input is a message or a command, a backslash at its end joins the \
      next line, and the first failure ends the program. --json prints one object for each answer.

      Examples:
        blockwise chat --model ~/models/Qwen3-0.6B --thinking off
        blockwise chat --model ~/models/SmolLM3-3B --system "You are a patient teacher." --stats
        printf 'Hello\\nWhat did I say?\\n' | blockwise chat --model ~/models/Qwen3-0.6B --json
      """)

  @Option(name: .long, help: ArgumentHelp("Instructions before the conversation.", valueName: "text"))
  var system: String?

  @OptionGroup(title: "Chat template") var template: TemplateArguments

  @Option(
    name: [.customShort("n"), .long], parsing: .unconditional,
    help: ArgumentHelp(
      "At most this many tokens for an answer; -1 goes on to the end of the context. (default: the checkpoint's, else "
        + "-1)"))
  var maxTokens: Int?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "End an answer before this text; \\n, \\t and \\\\ are understood. Can be repeated.", valueName: "text")
  )
  var stop: [String] = []

  @Option(
    name: .long,
    help: ArgumentHelp(
      "How tokens are decided: auto, ar, speculative or diffusion; see generate --help.", valueName: "method")
  )
  var decode = DecodeMethod.auto

  @Option(
    name: .long, help: ArgumentHelp("How masks are filled: a preset, slots, or @FILE.", valueName: "recipe"))
  var recipe: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where guesses come from: auto, none, or sources such as \"suffix+recycle\" or \"model:PATH\".",
      valueName: "sources"))
  var draft: String?

  @OptionGroup(title: "Sampling") var sampling: SamplingArguments
  @OptionGroup(title: "Model") var name: ModelName
  @OptionGroup(title: "Model") var computing: ComputeArguments

  @Option(name: .long, help: "Arithmetic: int8 activations for quantised weights, or f32 everywhere.")
  var compute = ModelLoadOptions.Compute.auto

  @Option(name: .long, help: "How keys and values are kept. (default: f32 with --compute f32, else f16)")
  var cacheType: CacheFormat?

  @OptionGroup var output: OutputArguments

  @Flag(name: .long, help: "Report method, speed and memory of each answer on standard error.")
  var stats = false

  @Flag(name: .long, help: "Neither read nor write the history of messages.")
  var noHistory = false

  func validate() throws {
    if let maxTokens, maxTokens < -1 {
      throw ValidationError("--max-tokens is \(maxTokens), expected -1 or more")
    }
    if stop.contains(where: \.isEmpty) { throw ValidationError("--stop is empty") }
    try MethodArguments.check(decode, recipe: recipe, draft: draft)
    if let count = sampling.logprobs, count >= 0, !output.json {
      throw ValidationError("--logprobs needs --json")
    }
  }

  func run() async throws {
    // Whether the model takes messages at all shows before its weights are read.
    let chatOptions = try template.options()
    try ChatTemplateSources(path: try name.path()).template(for: chatOptions, model: name.model).check(
      chatOptions)
    let model = try await LanguageModel.load(
      name, options: try computing.options(compute: compute, cacheType: cacheType))
    _ = try model.decision(for: try decoding())
    let session = try ChatSession(
      command: self, model: model,
      conversation: Conversation(system.map { [.system($0)] } ?? [], options: chatOptions))
    if TerminalInput.isPossible, !output.json {
      try await converse(session)
    } else {
      try await answerLines(session)
    }
  }

  /// What the arguments say of the method.
  func decoding() throws -> GenerationOptions {
    var options = GenerationOptions(method: decode.method)
    options.recipe = try MethodArguments.text(of: recipe)
    options.draft = draft
    return options
  }

  /// One message after the other from a person; what fails is said, and the conversation goes on.
  private func converse(_ session: ChatSession) async throws {
    let history = noHistory ? nil : HistoryFile.standard()
    var input = TerminalInput(prompt: "> ", continuation: "  ", history: history?.read() ?? [])
    var hasHistoryFailed = false
    StandardStream.error.note(
      "\(name.model), \(session.model.contextLength) tokens of context. /help lists commands.")
    while true {
      switch try input.read() {
      case .ended: return
      case .interrupted: StandardStream.error.note("Ctrl-D or /quit ends.")
      case .text(let text):
        let parsed = ChatInput(text)
        if parsed == .nothing { continue }
        do {
          try history?.append(text)
        } catch {
          if !hasHistoryFailed {
            StandardStream.error.note("The history is not kept: \(error.localizedDescription)")
          }
          hasHistoryFailed = true
        }
        do {
          guard try await session.handle(parsed) else { return }
        } catch StreamError.readerGone {
          throw StreamError.readerGone
        } catch let end as CommandInterrupted {
          throw end
        } catch {
          StandardStream.error.note("Error: \(error)")
        }
      }
    }
  }

  /// One message or command per line.
  private func answerLines(_ session: ChatSession) async throws {
    var pending = ""
    var reader = LineReader()
    while let line = try reader.next() {
      if line.hasSuffix("\\") {
        pending += line.dropLast() + "\n"
        continue
      }
      let text = pending + line
      pending = ""
      guard try await session.handle(ChatInput(text)) else { return }
    }
    if !pending.isEmpty { _ = try await session.handle(ChatInput(String(pending.dropLast()))) }
  }
}
