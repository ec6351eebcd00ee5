import ArgumentParser
import Blockwise
import Foundation

/// The command `blockwise`.
@main
struct BlockwiseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "blockwise",
    abstract: "Decode language models a block of tokens at a time.",
    discussion: """
      A model is a Hugging Face folder, a GGUF file, or the name of a model that comes with Blockwise. Without --model \
      the small model 'base' is used.

      Examples:
        blockwise generate --chat "Tell me a short story about a fox."
        blockwise inspect ~/models/Qwen2.5-0.5B-Instruct
        echo -n "Hello" | blockwise tokenize --json

      Every command takes --json. Exit codes: 0 success, 1 failure, 64 wrong usage, 130 interrupted without a result. \
      Environment: BLOCKWISE_MODELS (folders of named models, separated by colons), BLOCKWISE_KERNELS (scalar, avx2, avx512 or neon), \
      NO_COLOR. 'blockwise --generate-completion-script bash|zsh|fish' prints a completion script.
      """,
    version: BlockwiseVersion.current,
    subcommands: [
      GenerateCommand.self, ChatCommand.self, LogitsCommand.self, TokenizeCommand.self,
      DetokenizeCommand.self, TemplateCommand.self, InspectCommand.self, QuantizeCommand.self,
      BenchCommand.self, EvalCommand.self, TuneCommand.self,
    ])

  static func main() async {
    signal(SIGPIPE, SIG_IGN)
    // A limit on the size of files shows up as an error of writing, not as the end of the program.
    signal(SIGXFSZ, SIG_IGN)
    do {
      try checkArguments()
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      CommandFailure.exit(error)
    }
  }

  /// Refuses arguments that are not UTF-8, which would otherwise arrive repaired, as another text.
  private static func checkArguments() throws {
    for index in 1..<max(1, Int(CommandLine.argc)) {
      guard let argument = CommandLine.unsafeArgv[index] else { continue }
      if String(validatingCString: argument) == nil {
        throw UsageError("argument \(index) is not valid UTF-8")
      }
    }
  }
}
