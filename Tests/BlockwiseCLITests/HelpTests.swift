import BlockwiseFiles
import Foundation
import Testing

@Suite(.enabled(if: CommandLineTool.isBuilt, "the program blockwise is not beside the tests"))
struct HelpTests {
  @Test func `the help of the program is as it was`() throws {
    let output = try CommandLineTool.run(["--help"], environment: ["COLUMNS": "80"])
    #expect(output.code == 0)
    #expect(output.errors == "")
    #expect(
      output.text == """
        OVERVIEW: Decode language models a block of tokens at a time.

        A model is a Hugging Face folder, a GGUF file, or the name of a model that
        comes with Blockwise. Without --model the small model 'base' is used.

        Examples:
          blockwise generate --chat "Tell me a short story about a fox."
          blockwise inspect ~/models/Qwen2.5-0.5B-Instruct
          echo -n "Hello" | blockwise tokenize --json

        Every command takes --json. Exit codes: 0 success, 1 failure, 64 wrong usage,
        130 interrupted without a result. Environment: BLOCKWISE_MODELS (folders of
        named models, separated by colons), BLOCKWISE_KERNELS (scalar, avx2, avx512 or
        neon), NO_COLOR. 'blockwise --generate-completion-script bash|zsh|fish' prints
        a completion script.

        USAGE: blockwise <subcommand>

        OPTIONS:
          --version               Show the version.
          -h, --help              Show help information.

        SUBCOMMANDS:
          generate                Continue a text.
          chat                    Talk with a model.
          logits                  Evaluate a block of tokens and write its logits.
          tokenize                Turn text into token ids.
          detokenize              Turn token ids into text.
          template                Turn messages into the prompt that a model's chat
                                  template makes of them.
          inspect                 Show what a model is: architecture, traits, tensors,
                                  tokenizer, and how it can be decoded.
          quantize                Convert a model: other formats of weights, GGUF to
                                  Hugging Face and back.
          bench                   Measure speed.
          eval                    Measure quality.
          tune                    Fit decoding to a model and to prompts of yours.

          See 'blockwise help <subcommand>' for detailed help.

        """)
  }

  /// Scripts rely on these names.
  static let flags: [(command: [String], flags: [String])] = [
    (
      ["generate"],
      [
        "--model", "--prompt-tokens", "--file", "--max-tokens", "--temperature", "--top-k", "--top-p",
        "--min-p",
        "--seed", "--stop", "--decode", "--compute", "--cache-type", "--context", "--threads", "--stats",
        "--json", "--logprobs", "--logit-bias", "--repetition-penalty", "--presence-penalty",
        "--frequency-penalty", "--ignore-eos", "--chat", "--system", "--thinking", "--recipe", "--infill",
        "--show-blocks",
      ]
    ),
    (
      ["logits"],
      ["--model", "--tokens", "--prefix", "--visibility", "--out", "--compute", "--cache-type", "--json"]
    ),
    (["tokenize"], ["--model", "--no-special", "--json"]),
    (["detokenize"], ["--model", "--no-special", "--json"]),
    (
      ["chat"],
      [
        "--model", "--system", "--thinking", "--template-file", "--max-tokens", "--temperature", "--seed",
        "--stop",
        "--stats", "--json", "--no-history",
      ]
    ),
    (
      ["template"],
      [
        "--model", "--no-generation-prompt", "--var", "--thinking", "--template-name", "--template-file",
        "--source", "--json",
      ]
    ),
    (["inspect"], ["--tensors", "--json"]),
    (
      ["bench", "forward"],
      ["--model", "--rows", "--depth", "--samples", "--threads", "--compute", "--cache-type", "--json"]
    ),
    (
      ["bench", "decode"],
      [
        "--model", "--depth", "--tokens", "--samples", "--temperature", "--threads", "--compute",
        "--cache-type",
        "--json",
      ]
    ),
    (
      ["bench", "prefill"],
      ["--model", "--tokens", "--chunk", "--samples", "--threads", "--compute", "--cache-type", "--json"]
    ),
    (
      ["bench", "load"],
      ["--model", "--samples", "--tokens", "--threads", "--compute", "--cache-type", "--json"]
    ),
  ]

  @Test(arguments: flags) func `every command explains its flags with examples`(
    _ expected: (command: [String], flags: [String])
  ) throws {
    let output = try CommandLineTool.run(expected.command + ["--help"], environment: ["COLUMNS": "200"])
    #expect(output.code == 0)
    #expect(output.text.contains("Examples:"))
    for flag in expected.flags { #expect(output.text.contains(flag), "\(flag) is missing") }
  }

  @Test(arguments: ["bash", "zsh", "fish"]) func `completion scripts name the commands`(shell: String) throws
  {
    let output = try CommandLineTool.run(["--generate-completion-script", shell])
    #expect(output.code == 0)
    for command in ["generate", "logits", "tokenize", "inspect", "bench"] {
      #expect(output.text.contains(command))
    }
  }

  /// What is wrong, and a word of the answer.
  static let mistakes: [(arguments: [String], word: String)] = [
    (["nonsense"], "nonsense"),
    (["generate", "--nonsense", "x"], "nonsense"),
    (["generate", "--temperature", "-1", "x"], "temperature"),
    (["generate", "--temperature", "warm", "x"], "warm"),
    (["generate", "--top-p", "0", "x"], "top_p"),
    (["generate", "--top-k", "-1", "x"], "top-k"),
    (["generate", "--max-tokens", "-2", "x"], "--max-tokens"),
    (["generate", "--stop", "", "x"], "--stop"),
    (["generate", "--prompt-tokens", "1,two"], "two"),
    (["generate", "--prompt-tokens", "1,-2"], "-2"),
    (["generate", "--prompt-tokens", "1,2", "x"], "once"),
    (["generate", "--file", "a", "x"], "once"),
    (["generate", "--logit-bias", "4", "x"], "ID=BIAS"),
    (["generate", "--logit-bias", "4=1", "--logit-bias", "4=2", "x"], "twice"),
    (["generate", "--logprobs", "2", "x"], "--json"),
    (["generate", "--threads", "0", "x"], "--threads"),
    (["generate", "--context", "0", "x"], "--context"),
    (["generate", "--compute", "f64", "x"], "f64"),
    // What the contract promises for later versions is refused by name, never ignored.
    (["generate", "--schema", "s.json", "x"], "--schema is not supported"),
    (["generate", "--grammar", "g.gbnf", "x"], "--grammar is not supported"),
    (["generate", "--regex", "a+", "x"], "--regex is not supported"),
    (["generate", "--recipe", "block=fixed(0)", "x"], "whole number from 1"),
    (["generate", "--recipe", "commit=hierarchy", "x"], "not part of this version"),
    (["generate", "--recipe", "llada-ref", "--decode", "ar", "x"], "--recipe needs"),
    (["generate", "--infill", "no gap"], "<fill:12>"),
    (["generate", "--infill", "a <fill:x>"], "number of tokens"),
    (["generate", "--infill", "a <fill:4>", "x"], "--infill is the prompt"),
    (["generate", "--infill", "a <fill:4>", "--max-tokens", "9"], "--infill says itself"),
    (["generate", "--draft", "lokup", "x"], "there is no draft=lokup"),
    (["generate", "--draft", "falcon:heads", "x"], "draft=falcon is not part of this version"),
    (["generate", "--draft", "lookup", "--decode", "ar", "x"], "--draft needs --decode speculative or auto"),
    (["generate", "--draft", "none", "--decode", "speculative", "x"], "that is --decode ar"),
    (["generate", "--draft", "lookup", "--recipe", "commit=quota(0)", "x"], "give one of them"),
    (["generate", "--expect", "f", "--draft", "none", "x"], "--expect needs guesses"),
    (["logits", "--out", "f"], "--tokens"),
    (["logits", "--tokens", "1,2"], "--out"),
    (["logits", "--tokens", "1,2", "--out", "f", "--prefix", "2"], "--prefix"),
    (["logits", "--tokens", "1,2", "--out", "f", "--prefix", "-1"], "--prefix"),
    (["logits", "--tokens", "1,2", "--out", "f", "--visibility", "sideways"], "bidirectional"),
    (["logits", "--tokens", "1,2", "--out", "f", "--visibility", "block-causal:0"], "block size"),
    (["logits", "--tokens", "1,2", "--out", "f", "--visibility", "tree:-1"], "parents"),
    (["logits", "--tokens", "1,2", "--out", "f", "--visibility", "tree:-1,1"], "parent '1' of node 1"),
    (["bench", "forward", "--rows", "0"], "rows"),
    (["bench", "forward", "--rows", "1,,2"], "--rows"),
    (["bench", "forward", "--samples", "0"], "samples"),
    (["bench", "decode", "--depth", "x"], "--depth"),
    (["bench", "decode", "--tokens", "0"], "--tokens"),
    (["bench", "decode", "--samples", "-1"], "--samples"),
    (["bench", "decode", "--temperature", "-1"], "temperature"),
    (["bench", "decode", "--threads", "0"], "--threads"),
    (["bench", "prefill", "--tokens", "0"], "--tokens"),
    (["bench", "prefill", "--tokens", ""], "--tokens"),
    (["bench", "prefill", "--chunk", "0"], "--chunk"),
    (["bench", "load", "--samples", "0"], "--samples"),
    (["bench", "load", "--tokens", "0"], "--tokens"),
    (["bench", "load", "--compute", "f64"], "f64"),
    (["bench", "load", "--cache-type", "q4"], "q4"),
  ]

  @Test(arguments: mistakes) func `a mistake is named and exits with 64`(
    _ mistake: (arguments: [String], word: String)
  ) throws {
    let output = try CommandLineTool.run(mistake.arguments)
    #expect(output.code == 64, "\(output.errors)")
    #expect(output.text == "")
    #expect(output.errors.hasPrefix("Error: "))
    #expect(output.errors.contains(mistake.word), "\(output.errors)")
  }

  @Test func `a kernel variant that does not exist is refused`() throws {
    let output = try CommandLineTool.run(["generate", "x"], environment: ["BLOCKWISE_KERNELS": "abacus"])
    #expect(output.code == 64)
    #expect(output.errors.contains("abacus") && output.errors.contains("scalar"))
  }
}
