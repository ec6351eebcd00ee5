import ArgumentParser
import Blockwise

/// `blockwise tokenize`
struct TokenizeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize",
    abstract: "Turn text into token ids.",
    discussion: """
      Reads all of standard input, exactly as given: a final line end counts. Prints the ids on one line, separated by \
      commas, as --prompt-tokens and --tokens take them.

      Examples:
        echo -n "Hello, world" | blockwise tokenize
        blockwise tokenize --no-special --json --model ~/models/llama < story.txt
      """)

  @OptionGroup var name: ModelName

  @Flag(
    name: .long, help: "Leave out the tokens that the model wants at the start and the end of every text.")
  var noSpecial = false

  @OptionGroup var output: OutputArguments

  func run() async throws {
    let tokenizer = try name.loadTokenizer()
    let tokens = try tokenizer.encode(utf8: TextInput.standardInput(), addSpecialTokens: !noSpecial)
    if output.json {
      try StandardStream.output.write(json: ["tokens": .tokens(tokens)])
    } else {
      try StandardStream.output.write(tokens.map(\.description).joined(separator: ",") + "\n")
    }
  }
}
