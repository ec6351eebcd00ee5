/// What a `tokenizer.ggml.pre` stands for.
struct GGUFPreTokenizer: Sendable {
  /// Expressions whose matches are cut out one after the other.
  var expressions: [String]
  var normalizers: [TextNormalizer] = []
  /// A word that is a token is that token, whatever the merges say.
  var prefersWholeWords = false
  /// Whether a beginning-of-text token is added where the file does not say.
  var addsBeginning = false

  /// The steps that cut text.
  func steps() throws -> [PreTokenizer] {
    try expressions.map { .split(try .init(expression: $0), .isolated, isInverted: false) } + [
      .byteLevel(addsPrefixSpace: false, usesPattern: false)
    ]
  }

  /// The names that are implemented.
  static var names: [String] { table.keys.sorted() }

  /// The pre-tokeniser of a name.
  static func named(_ name: String) throws -> GGUFPreTokenizer {
    guard let found = table[name] else {
      throw TokenizerError.unknownPreTokenizer(name, supported: names)
    }
    return found
  }

  /// What is taken when a file does not name one, as other readers of the format do.
  static let fallback = GGUFPreTokenizer(
    expressions: [#"[\p{P}\$\+<=>\^~\|]+"#, gpt2, #"\p{N}+"#, "[0-9][0-9][0-9]"])

  // MARK: Expressions

  private static let contractions = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
  private static let spaces = #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
  private static let gpt2 =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
  private static let words = #"[^\r\n\p{L}\p{N}]?\p{L}+"#
  private static let punctuation = #"| ?[^\s\p{L}\p{N}]+[\r\n]*"#
  private static let llama3 = contractions + "|" + words + #"|\p{N}{1,3}"# + punctuation + spaces
  private static let qwen2 = contractions + "|" + words + #"|\p{N}"# + punctuation + spaces
  private static let qwen35 =
    contractions + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"# + spaces
  private static let lower =
    #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"#
  private static let upper =
    #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"#
  private static let slashes = #"| ?[^\s\p{L}\p{N}]+[\r\n/]*"#
  private static let tekken = lower + "|" + upper + #"|\p{N}"# + slashes + spaces
  private static let fold = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
  private static let gpt4o = lower + fold + "|" + upper + fold + #"|\p{N}{1,3}"# + slashes + spaces
  /// As gpt-4o, with runs of Han characters on their own.
  private static let kimi: String = {
    let head = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"#
    let tail = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"#
    let lead = #"[^\r\n\p{L}\p{N}]?"#
    return #"[\p{Han}]+|"# + lead + head + "*" + tail + "+" + fold + "|" + lead + head + "+" + tail + "*"
      + fold
      + #"|\p{N}{1,3}"# + punctuation + spaces
  }()
  private static let cascade = [512, 256, 128, 64, 32, 16, 8, 4].map { #"|\s{\#($0)}(?!\S)"# }.joined()
  private static let jais2 =
    contractions + "|" + words + #"|\p{N}{1,3}"# + punctuation + #"|\s*[\r\n]+"# + cascade
    + #"|\s{1,2}(?!\S)|\s{1}"#
  private static let deepSeek3 = [
    #"\p{N}{1,3}"#, "[一-龥\u{3040}-ゟ゠-ヿ]+",
    ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##
      + #"| ?[\p{P}\p{S}]+[\r\n]*"# + spaces,
  ]
  /// The letters with case that DeepSeek's first tokenizer lists.
  private static let deepSeekLetters =
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝ\u{1F5F}-\u{1F7D}ᾀ-ᾴᾶ-ᾼ"
    + "\u{1FBE}ῂ-ῄῆ-ῌ\u{1FD0}-\u{1FD3}\u{1FD6}-\u{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u{2126}ℨ\u{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎ"
    + "\u{AB70}-\u{ABBF}\u{FB00}-\u{FB06}\u{FB13}-\u{FB17}Ａ-Ｚａ-ｚ\u{10400}-\u{1044F}\u{104B0}-\u{104D3}"
    + "\u{104D8}-\u{104FB}\u{10C80}-\u{10CB2}\u{10CC0}-\u{10CF2}\u{118A0}-\u{118DF}\u{1E900}-\u{1E943}"
  private static let ideographs = "[一-龥\u{800}-一\u{AC00}-\u{D7FF}]+"
  private static let sentences = #" ?[^(\s|.,!?…。，、।۔،)]+"#

  // MARK: Names

  private static let table: [String: GGUFPreTokenizer] = {
    var table: [String: GGUFPreTokenizer] = ["default": fallback]
    func add(
      _ names: String..., as expressions: [String], normalizers: [TextNormalizer] = [],
      prefersWholeWords: Bool = false, addsBeginning: Bool = false
    ) {
      for name in names {
        table[name] = GGUFPreTokenizer(
          expressions: expressions, normalizers: normalizers, prefersWholeWords: prefersWholeWords,
          addsBeginning: addsBeginning)
      }
    }
    // The models behind these two were trained on text in NFC.
    let nfc = [TextNormalizer.unicode(UnicodeNormalizer(.nfc))]
    add(
      "gpt-2", "gpt2", "olmo", "phi-2", "mpt", "jais", "exaone4", "trillion", "granite-docling", "gigachat",
      "mellum", "a.x-4.0", "modern-bert", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", as: [gpt2])
    add(
      "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", as: [llama3],
      prefersWholeWords: true, addsBeginning: true)
    add("dbrx", "smaug-bpe", "glm4", "chatglm-bpe", as: [llama3])
    add("qwen2", "deepseek-r1-qwen", "megrez", as: [qwen2], normalizers: nfc)
    add("qwen35", as: [qwen35], normalizers: nfc)
    add("stablelm2", "hunyuan", "solar-open", "grok-2", as: [qwen2])
    add(
      "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b",
      as: [#"\p{N}"#, gpt2])
    add("tekken", as: [tekken], prefersWholeWords: true, addsBeginning: true)
    add("gpt-4o", "llama4", "minimax-m2", as: [gpt4o])
    add("kimi-k2", as: [kimi])
    add("jais-2", as: [jais2])
    add(
      "deepseek-llm",
      as: [
        "[\r\n]", #"\s?["# + deepSeekLetters + "]+", #"\s?[!-/:-~！-／：-～‘-‟\#u{3000}-。]+"#, #"\s+$"#,
        ideographs,
        #"\p{N}+"#,
      ])
    add(
      "deepseek-coder", as: ["[\r\n]", #"\s?\p{L}+"#, #"\s?\p{P}+"#, ideographs, #"\p{N}"#])
    add("deepseek-v3", "hunyuan-dense", "joyai-llm", as: deepSeek3)
    add("falcon", as: [#"[\p{P}\$\+<=>\^~\|`]+"#, gpt2, "[0-9][0-9][0-9]"])
    add("poro-chat", "bloom", "gpt3-finnish", as: [sentences])
    add("viking", as: [sentences, #"\p{N}"#])
    add(
      "chameleon",
      as: [
        "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", #"([\t\n]|    |  )"#, #"\p{N}"#,
        #"[\p{P}!-/:-@\[-`{-~]"#, gpt2,
      ], addsBeginning: true)
    add("tiny_aya", as: [#"\d{1,3}(?=(?:\d{3})*\b)"#, gpt4o])
    add(
      "bailingmoe", "bailingmoe2", "llada-moe",
      as: [
        #"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|"# + words + #"|\p{N}"# + punctuation
          + #"|\s*[\r\n]|\s+(?!\S)|\s+"#
      ])
    add(
      "seed-coder",
      as: [contractions + "|" + words + #"|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+"# + spaces])
    add(
      "exaone-moe",
      as: [
        contractions
          + #"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?"#
          + #"|\s*[\r\n]|\s+(?!\S)|\s+"#
      ])
    return table
  }()
}
