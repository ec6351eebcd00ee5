internal import BlockwiseFiles

/// Reads which tokens have a role: from `tokenizer_config.json`, and for masks from well-known names.
struct SpecialTokenReader {
  let configuration: JSONValue?
  /// Indices at or above this are refused.
  let limit: Int

  /// Names under which checkpoints that do not declare a mask token carry it: LLaDA, SDAR and Dream, Fast_dLLM_v2.
  private static let maskNames = ["<|mdm_mask|>", "<|mask|>", "<|MASK|>", "|<MASK>|", "[MASK]", "<mask>"]

  /// Completes `parts` with special tokens, tokens that only the configuration adds, and the text's frame.
  func apply(_ frame: TextFrame, to parts: inout TokenizerParts) throws {
    try addTokens(to: &parts)
    parts.special.bos = try role("bos_token", &parts)
    parts.special.eos = try role("eos_token", &parts)
    parts.special.pad = try role("pad_token", &parts)
    parts.special.unknown = try role("unk_token", &parts)
    parts.special.mask = try role("mask_token", &parts)
    if parts.special.mask == nil { parts.special.mask = Self.wellKnownMask(parts.addedTokens) }
    let (prefix, suffix) = try ends(frame, parts)
    parts.prefix = prefix
    parts.suffix = suffix
  }

  /// The mask token of a checkpoint that does not declare one.
  static func wellKnownMask(_ tokens: [AddedToken]) -> TokenID? {
    let found = maskNames.compactMap { name in tokens.first { $0.content == name } }
    return found.first.map { TokenID($0.identifier) }
  }

  /// One entry of `added_tokens`.
  static func addedToken(
    _ entry: ComponentReader, identifier: Int, content: String, limit: Int
  ) throws -> AddedToken {
    guard identifier < limit, let narrow = Int32(exactly: identifier) else {
      throw TokenizerError.identifierOutOfRange(
        token: content, identifier: Int64(identifier), limit: limit)
    }
    let isSpecial = try entry.bool("special", default: false)
    return AddedToken(
      content: content, identifier: narrow, isSpecial: isSpecial,
      matchesWholeWord: try entry.bool("single_word", default: false),
      stripsLeft: try entry.bool("lstrip", default: false),
      stripsRight: try entry.bool("rstrip", default: false),
      isNormalized: try entry.bool("normalized", default: !isSpecial))
  }

  /// Tokens that only `added_tokens_decoder` of the configuration names.
  private func addTokens(to parts: inout TokenizerParts) throws {
    guard let entries = configuration?["added_tokens_decoder"]?.objectValue else { return }
    var known = Set(parts.addedTokens.map(\.identifier))
    var contents = Set(parts.addedTokens.map { Array($0.content.utf8) })
    for (key, value) in entries {
      let entry = ComponentReader(value: value, path: "added_tokens_decoder.\(key)")
      guard let identifier = Int(key), identifier >= 0 else {
        throw TokenizerError.invalidValue(
          key: "added_tokens_decoder", found: "the key '\(key)'", expected: "token indices as keys")
      }
      let token = try Self.addedToken(
        entry, identifier: identifier, content: try entry.string("content"), limit: limit)
      if known.contains(token.identifier) { continue }
      let existing = parts.vocabulary.find(token.content)
      let isConsistent =
        existing == token.identifier
        || (existing < 0 && !parts.vocabulary.contains(identifier))
      guard isConsistent, contents.insert(Array(token.content.utf8)).inserted else {
        parts.warnings.append(
          "tokenizer_config.json gives '\(token.content)' the index \(identifier), the tokenizer another one")
        continue
      }
      known.insert(token.identifier)
      parts.addedTokens.append(token)
    }
  }

  /// The token with a role, written as a string or as an object with `content`.
  private func role(_ key: String, _ parts: inout TokenizerParts) throws -> TokenID? {
    guard let value = configuration?[key], !value.isNull else { return nil }
    guard let content = value.stringValue ?? value["content"]?.stringValue else {
      throw TokenizerError.invalidValue(
        key: key, found: value.summary, expected: "a string or an object with 'content'")
    }
    if let added = parts.addedTokens.first(where: { $0.content.utf8.elementsEqual(content.utf8) }) {
      return TokenID(added.identifier)
    }
    let found = parts.vocabulary.find(content)
    guard found >= 0 else {
      // Some published configurations name tokens that their vocabulary never had.
      parts.warnings.append("'\(content)', named as \(key), is not in the vocabulary")
      return nil
    }
    // A role makes a plain vocabulary entry special: it is searched in text and left out of readable output.
    parts.addedTokens.append(AddedToken(content: content, identifier: found, isSpecial: true))
    return TokenID(found)
  }

  /// The tokens around a text. Explicit `add_bos_token` and `add_eos_token` decide over the post-processor, as in
  /// the reference library.
  private func ends(_ frame: TextFrame, _ parts: TokenizerParts) throws -> ([Int32], [Int32]) {
    let addsBOS = configuration?["add_bos_token"]?.boolValue
    let addsEOS = configuration?["add_eos_token"]?.boolValue
    let added = Set(parts.addedTokens.map(\.identifier))
    func check(_ identifiers: [Int64]) throws -> [Int32] {
      try identifiers.map { identifier in
        guard let narrow = Int32(exactly: identifier),
          added.contains(narrow) || parts.vocabulary.contains(Int(narrow))
        else {
          throw TokenizerError.invalidValue(
            key: "post_processor", found: "the token index \(identifier)",
            expected: "an index of the vocabulary")
        }
        return narrow
      }
    }
    // A key that is absent leaves its end to the post-processor.
    let prefix =
      try addsBOS.map { $0 ? parts.special.bos.map { [$0.rawValue] } ?? [] : [] } ?? check(frame.prefix)
    let suffix =
      try addsEOS.map { $0 ? parts.special.eos.map { [$0.rawValue] } ?? [] : [] } ?? check(frame.suffix)
    return (prefix, suffix)
  }
}
