package import BlockwiseFiles

/// The tokenizer of a Hugging Face folder as metadata of a GGUF file.
package struct GGUFTokenizerExport {
  /// The keys `tokenizer.…`, in the usual order.
  package private(set) var metadata: [(key: String, value: GGUFStoredValue)] = []
  /// Whether added tokens take the whitespace around them.
  package private(set) var stripsAddedTokens = false
  /// What the reader of the result should know.
  package private(set) var notes: [String] = []

  private static let prefix = "tokenizer.ggml."

  private static let spaceMark = "\u{2581}"

  /// Reads tokenizer.json or a SentencePiece tokenizer.model, and their configuration.
  ///
  /// - Parameters:
  ///   - tokenizer: the same tokenizer, loaded: it knows which tokens have a role.
  ///   - rowCount: rows of the embedding; indices without a token are filled.
  ///   - endTokens: what ends a text, as the checkpoint says.
  ///   - maskToken: what stands for an open position, as the checkpoint says; else the tokenizer's.
  /// - Throws: ``TokenizerError`` that names what GGUF has no place for.
  package init(
    _ folder: ModelFolder, tokenizer: Tokenizer, rowCount: Int, endTokens: [TokenID],
    maskToken: TokenID? = nil
  ) throws {
    let modelPath = folder.path + "/tokenizer.model"
    let path = folder.tokenizerPath ?? modelPath
    do {
      let file = try MappedFile(path: path)
      var source = try withExtendedLifetime(file) {
        folder.tokenizerPath == nil
          ? try TokenizerSource(sentencePiece: file.bytes, tokenizer: tokenizer)
          : try TokenizerSource(file.bytes)
      }
      if source.pieces == nil, let model = try? MappedFile(path: modelPath) {
        withExtendedLifetime(model) { source.adoptScores(sentencePiece: model.bytes) }
      }
      try build(source, tokenizer: tokenizer, rowCount: rowCount)
    } catch let error as TokenizerError {
      throw TokenizerError.inFile(path, error)
    }
    putRoles(tokenizer, endTokens: endTokens, maskToken: maskToken ?? tokenizer.maskToken)
    try putTemplates(folder)
  }

  private mutating func put(_ key: String, _ value: GGUFStoredValue) {
    metadata.append((Self.prefix + key, value))
  }

  // MARK: Vocabulary

  private mutating func build(_ source: TokenizerSource, tokenizer: Tokenizer, rowCount: Int) throws {
    guard source.kind == "BPE" else {
      throw TokenizerError.unsupported(component: "model", kind: source.kind, supported: ["BPE"])
    }
    let steps = TokenizerSource.steps(source.preTokenizer)
    let isByteLevel = steps.contains { $0["type"]?.stringValue == "ByteLevel" }
    if isByteLevel {
      put("model", .string("gpt2"))
      put("pre", .string(try preTokenizer(source, steps)))
    } else {
      guard source.fallsBackToBytes else {
        throw TokenizerError.unsupported(
          component: "model", kind: "BPE with neither ByteLevel nor byte_fallback",
          supported: ["byte-level BPE", "BPE with byte_fallback"])
      }
      put("model", .string("llama"))
      put("pre", .string("default"))
    }
    let (tokens, types) = try vocabulary(source, tokenizer, rowCount: rowCount)
    put("tokens", .strings(tokens))
    if !isByteLevel { put("scores", .float32s(scores(source, tokens))) }
    put("token_type", .int32s(types.map(\.rawValue)))
    if isByteLevel {
      put("merges", .strings(source.merges.map { $0.left + [0x20] + $0.right }))
    } else {
      let addsPrefix = try source.spaces?.addsPrefix ?? Self.addsSpacePrefix(source, steps)
      put("add_space_prefix", .bool(addsPrefix))
      put("remove_extra_whitespaces", .bool(source.spaces?.removesExtra ?? false))
    }
    stripsAddedTokens = source.added.contains(where: \.strips)
  }

  private func vocabulary(
    _ source: TokenizerSource, _ tokenizer: Tokenizer, rowCount: Int
  ) throws -> ([[UInt8]], [PieceType]) {
    let last = max(source.tokens.keys.max() ?? 0, source.added.map(\.identifier).max() ?? 0)
    guard last < rowCount else {
      throw TokenizerError.invalidValue(
        key: "model.vocab", found: "the token index \(last)",
        expected: "at most \(rowCount - 1), the last row of the embedding")
    }
    var tokens: [[UInt8]] = []
    var types: [PieceType] = []
    tokens.reserveCapacity(rowCount)
    for identifier in 0..<rowCount {
      if let text = source.tokens[identifier] {
        tokens.append(text)
        let isByte = source.fallsBackToBytes && Self.isByteToken(text)
        let given = source.pieces.flatMap { $0.indices.contains(identifier) ? $0[identifier].type : nil }
        types.append(given ?? (isByte ? .byte : .normal))
      } else {
        tokens.append(Array("[PAD\(identifier)]".utf8))
        types.append(.unused)
      }
    }
    for token in source.added {
      tokens[token.identifier] = Array(token.content.utf8)
      types[token.identifier] = token.isSpecial ? .control : .userDefined
    }
    for token in [tokenizer.bosToken, tokenizer.eosToken, tokenizer.padToken, tokenizer.maskToken] {
      if let token, types.indices.contains(token.index) { types[token.index] = .control }
    }
    if let unknown = tokenizer.unknownToken, types.indices.contains(unknown.index) {
      types[unknown.index] = .unknown
    }
    return (tokens, types)
  }

  /// `<0x0A>`
  private static func isByteToken(_ text: [UInt8]) -> Bool {
    text.count == 6 && text.starts(with: "<0x".utf8) && text[5] == UInt8(ascii: ">")
      && UInt8(String(decoding: text[3..<5], as: UTF8.self), radix: 16) != nil
  }

  /// The order of the merges as scores: what is merged first has the highest.
  private mutating func scores(_ source: TokenizerSource, _ tokens: [[UInt8]]) -> [Float] {
    if let pieces = source.pieces {
      return tokens.indices.map { pieces.indices.contains($0) ? pieces[$0].score : -1000 }
    }
    var order: [[UInt8]: Int] = [:]
    var rules: Set<[UInt8]> = []
    for merge in source.merges {
      let token = merge.left + merge.right
      if order[token] == nil { order[token] = order.count }
      rules.insert(merge.left + [0] + merge.right)
    }
    let known = Set(source.tokens.values)
    // The other side merges any two neighbours that form a token, this one only those of a rule.
    var missing = 0
    for token in known where token.count > 1 && !Self.isByteToken(token) {
      for cut in 1..<token.count where token[cut] & 0xC0 != 0x80 {
        let (left, right) = (Array(token[..<cut]), Array(token[cut...]))
        if known.contains(left), known.contains(right), !rules.contains(left + [0] + right) { missing += 1 }
      }
    }
    if missing > 0 {
      notes.append(
        "\(missing) pairs of tokens form a token without a merge rule; GGUF merges by scores, so that some texts "
          + "may be cut into other tokens than here")
    }
    return tokens.map { Float(-(order[$0] ?? order.count)) }
  }

  // MARK: Pre-tokeniser

  private static func addsSpacePrefix(_ source: TokenizerSource, _ steps: [JSONValue]) throws -> Bool {
    var adds = false
    for step in TokenizerSource.steps(source.normalizer) {
      switch step["type"]?.stringValue {
      case "Prepend" where step["prepend"]?.stringValue == spaceMark: adds = true
      case "Replace" where step["content"]?.stringValue == spaceMark: break
      default: throw unsupported("normalizer", step, ["Prepend ▁", "Replace by ▁"])
      }
    }
    for step in steps {
      switch step["type"]?.stringValue {
      case "Metaspace":
        if let scheme = step["prepend_scheme"]?.stringValue {
          adds = scheme != "never"
        } else {
          adds = step["add_prefix_space"]?.boolValue ?? true
        }
      // Gemma's cut at spaces, which are all replaced by then, does nothing.
      case "Split" where step["pattern"]?["String"]?.stringValue == " ": break
      default: throw unsupported("pre_tokenizer", step, ["Metaspace"])
      }
    }
    return adds
  }

  private static func unsupported(
    _ component: String, _ step: JSONValue, _ supported: [String]
  ) -> TokenizerError {
    .unsupported(component: component, kind: step["type"]?.stringValue ?? step.summary, supported: supported)
  }

  /// The name that GGUF has for the way a text is cut into words.
  private mutating func preTokenizer(_ source: TokenizerSource, _ steps: [JSONValue]) throws -> String {
    var isComposed = false
    for step in TokenizerSource.steps(source.normalizer) {
      guard step["type"]?.stringValue == "NFC" else {
        throw Self.unsupported("normalizer", step, ["NFC"])
      }
      isComposed = true
    }
    let expressions = try Self.expressions(steps)
    let wanted = expressions.map(Self.canonical)
    // Several names stand for the same cuts; the best known come first.
    let known = ["llama-bpe", "qwen2", "gpt-2", "dbrx", "stablelm2", "smollm", "tekken", "gpt-4o"]
    let names = known + GGUFPreTokenizer.names.filter { !known.contains($0) }
    let found = try names.filter { name in
      try GGUFPreTokenizer.named(name).expressions.map(Self.canonical) == wanted
    }
    /// How far a name is from what is wanted.
    func distance(_ name: String) throws -> Int {
      let pre = try GGUFPreTokenizer.named(name)
      return (pre.prefersWholeWords == source.ignoresMerges ? 0 : 2)
        + (pre.normalizers.isEmpty != isComposed ? 0 : 1)
    }
    guard let name = try found.min(by: { try distance($0) < distance($1) }) else {
      throw TokenizerError.unsupportedExpression(
        expressions.joined(separator: " then "),
        reason: "GGUF has no name for a tokenizer that cuts text by it")
    }
    let pre = try GGUFPreTokenizer.named(name)
    if pre.normalizers.isEmpty == isComposed {
      notes.append(
        "readers of pre-tokeniser \(name) \(isComposed ? "do not compose" : "compose") characters (NFC) "
          + "before they cut, other than here")
    }
    if pre.prefersWholeWords != source.ignoresMerges {
      notes.append(
        "readers of pre-tokeniser \(name) treat whole words that are tokens otherwise (ignore_merges)")
    }
    return name
  }

  /// Expressions whose matches are cut out one after the other, the bytes' alphabet last.
  private static func expressions(_ steps: [JSONValue]) throws -> [String] {
    var expressions: [String] = []
    for (index, step) in steps.enumerated() {
      switch step["type"]?.stringValue {
      case "ByteLevel" where index == steps.count - 1:
        if step["add_prefix_space"]?.boolValue ?? true {
          throw TokenizerError.unsupported(
            component: "pre_tokenizer", kind: "ByteLevel with add_prefix_space",
            supported: ["ByteLevel without it"])
        }
        if step["use_regex"]?.boolValue ?? true {
          expressions.append(try GGUFPreTokenizer.named("gpt-2").expressions.joined())
        }
      case "Digits" where step["individual_digits"]?.boolValue == true: expressions.append(#"\p{N}"#)
      case "Split":
        guard let text = step["pattern"]?["Regex"]?.stringValue else { fallthrough }
        let (behavior, isInverted) = (step["behavior"]?.stringValue, step["invert"]?.boolValue ?? false)
        // An expression that matches everything isolates its matches either way.
        let isolates = behavior == "Isolated" && !isInverted || behavior == "Removed" && isInverted
        guard isolates else { fallthrough }
        expressions.append(text)
      default:
        throw unsupported("pre_tokenizer", step, ["Split by a Regex, isolated", "Digits", "ByteLevel"])
      }
    }
    return expressions
  }

  /// The same text for expressions that are the same in other words.
  private static func canonical(_ expression: String) -> String {
    SplitPattern(expression: expression)?.rawValue ?? expression
  }

  // MARK: Roles and templates

  private mutating func putRoles(_ tokenizer: Tokenizer, endTokens: [TokenID], maskToken: TokenID?) {
    func put(_ key: String, _ token: TokenID?) {
      if let token { self.put(key, .uint32(UInt32(token.index))) }
    }
    var ends = endTokens
    if let end = tokenizer.eosToken {
      // What the tokenizer calls the end comes first among those that end a text.
      ends.removeAll { $0 == end }
      if endTokens.isEmpty || endTokens.contains(end) { ends.insert(end, at: 0) } else { ends.append(end) }
    }
    put("bos_token_id", tokenizer.bosToken)
    put("eos_token_id", ends.first)
    if ends.count > 1 { put("eot_token_id", ends[1]) }
    if ends.count > 2 { put("eom_token_id", ends[2]) }
    if ends.count > 3 {
      let others = ends[3...].map { "\($0)" }.joined(separator: ", ")
      notes.append("GGUF has room for three end tokens; left out: \(others)")
    }
    put("unknown_token_id", tokenizer.unknownToken)
    put("padding_token_id", tokenizer.padToken)
    put("mask_token_id", maskToken)
    let frame = tokenizer.frame
    self.put("add_bos_token", .bool(!frame.prefix.isEmpty))
    self.put("add_eos_token", .bool(!frame.suffix.isEmpty))
    if frame.prefix != (frame.prefix.isEmpty ? [] : [tokenizer.bosToken].compactMap { $0 }) {
      notes.append("the tokenizer begins texts with other tokens than bos, which GGUF has no key for")
    }
    if frame.suffix != (frame.suffix.isEmpty ? [] : [tokenizer.eosToken].compactMap { $0 }) {
      notes.append("the tokenizer ends texts with other tokens than eos, which GGUF has no key for")
    }
  }

  private mutating func putTemplates(_ folder: ModelFolder) throws {
    var names: [String] = []
    for source in try ChatTemplateSources(folder: folder.path).sources {
      let (name, text) = (source.name, source.text)
      if name == "default" {
        metadata.append(("tokenizer.chat_template", .string(text)))
      } else {
        metadata.append(("tokenizer.chat_template.\(name)", .string(text)))
        names.append(name)
      }
    }
    if !names.isEmpty { metadata.append(("tokenizer.chat_templates", .strings(names))) }
  }
}

extension Tokenizer {
  /// What is put around a text.
  fileprivate var frame: (prefix: [TokenID], suffix: [TokenID]) {
    (parts.prefix.map { TokenID($0) }, parts.suffix.map { TokenID($0) })
  }
}
