/// What a `tokenizer.ggml.pre` stands for.
struct GGUFPreTokenizer: Sendable {
  var steps: [PreTokenizer]
  var normalizers: [TextNormalizer] = []
  /// A word that is a token is that token, whatever the merges say.
  var prefersWholeWords = false
  /// Whether a beginning-of-text token is added where the file does not say.
  var addsBeginning = false

  /// The names that are implemented.
  static var names: [String] { table.keys.sorted() }

  /// The pre-tokeniser of a name.
  static func named(_ name: String) throws -> GGUFPreTokenizer {
    guard let found = table[name] else {
      throw TokenizerError.unknownPreTokenizer(name, supported: names)
    }
    return found
  }

  /// What is taken when a file does not name one.
  static let fallback = GGUFPreTokenizer(steps: steps(.gpt2))

  private static func steps(_ pattern: SplitPattern) -> [PreTokenizer] {
    [.split(.pattern(pattern), .isolated, isInverted: false), bytes]
  }

  private static let bytes = PreTokenizer.byteLevel(addsPrefixSpace: false, usesPattern: false)

  private static let table: [String: GGUFPreTokenizer] = {
    let llama3 = GGUFPreTokenizer(steps: steps(.llama3), prefersWholeWords: true, addsBeginning: true)
    let llama3Plain = GGUFPreTokenizer(steps: steps(.llama3))
    // The models behind this pattern were trained on text in NFC.
    let qwen2 = GGUFPreTokenizer(
      steps: steps(.qwen2), normalizers: [.unicode(UnicodeNormalizer(.nfc))])
    let digitsFirst = GGUFPreTokenizer(steps: [
      .digits(individual: true), .byteLevel(addsPrefixSpace: false, usesPattern: true),
    ])
    let gpt4o = GGUFPreTokenizer(steps: steps(.gpt4o))
    return [
      "gpt-2": fallback, "gpt2": fallback, "olmo": fallback, "phi-2": fallback, "mpt": fallback,
      "llama-bpe": llama3, "llama3": llama3, "llama-v3": llama3,
      "dbrx": llama3Plain, "smaug-bpe": llama3Plain,
      "qwen2": qwen2, "deepseek-r1-qwen": qwen2,
      "stablelm2": GGUFPreTokenizer(steps: steps(.qwen2)),
      "smollm": digitsFirst, "starcoder": digitsFirst, "refact": digitsFirst, "codeshell": digitsFirst,
      "tekken": GGUFPreTokenizer(steps: steps(.tekken), prefersWholeWords: true, addsBeginning: true),
      "gpt-4o": gpt4o, "llama4": gpt4o,
    ]
  }()
}
