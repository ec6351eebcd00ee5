import ArgumentParser
import Blockwise

/// `blockwise detokenize`
struct DetokenizeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "detokenize",
    abstract: "Turn token ids into text.",
    discussion: """
      Reads ids from standard input, separated by commas or white space, as a JSON array, or as the JSON that \
      'tokenize' prints. Prints the text exactly: no line end is added.

      Examples:
        echo 15496,11,995 | blockwise detokenize
        echo -n "Hello" | blockwise tokenize --json | blockwise detokenize --no-special
      """)

  @OptionGroup var name: ModelName

  @Flag(name: .long, help: "Leave special tokens out of the text.")
  var noSpecial = false

  @OptionGroup var output: OutputArguments

  func run() async throws {
    let tokenizer = try name.loadTokenizer()
    let tokens = try TokenList.parse(input: TextInput.standardInput())
    if let token = tokens.first(where: { $0.index >= tokenizer.vocabularyCount }) {
      throw UsageError(
        "standard input: token \(token) is outside the vocabulary of \(tokenizer.vocabularyCount)")
    }
    let text = tokenizer.decode(tokens, skipSpecialTokens: noSpecial)
    if output.json {
      try StandardStream.output.write(json: ["text": .string(text)])
    } else {
      try StandardStream.output.write(text)
    }
  }
}
