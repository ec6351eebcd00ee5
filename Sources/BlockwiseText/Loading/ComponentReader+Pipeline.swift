internal import BlockwiseFiles

/// What a tokenizer puts around a text.
struct TextFrame {
  var prefix: [Int64] = []
  var suffix: [Int64] = []
}

extension ComponentReader {
  // MARK: Normalisers

  /// The steps of a `normalizer`, sequences flattened.
  func normalizers() throws -> [TextNormalizer] {
    switch try kind {
    case "Sequence": return try components("normalizers").flatMap { try $0.normalizers() }
    case "NFC": return [.unicode(UnicodeNormalizer(.nfc))]
    case "NFD": return [.unicode(UnicodeNormalizer(.nfd))]
    case "NFKC": return [.unicode(UnicodeNormalizer(.nfkc))]
    case "NFKD": return [.unicode(UnicodeNormalizer(.nfkd))]
    case "Prepend": return [.prepend(try literal("prepend"))]
    case "Replace":
      let (pattern, isExpression) = try pattern("pattern")
      let content = Array(try string("content").utf8)
      if isExpression { return [.replaceMatches(try Expression(pattern), with: content)] }
      return [.replace(Array(pattern.utf8), with: content)]
    case "Lowercase": return [.lowercase]
    case "Strip":
      return [
        .strip(
          left: try bool("strip_left", default: true), right: try bool("strip_right", default: true))
      ]
    case "StripAccents": return [.stripAccents]
    case "Precompiled":
      let key = "\(path).precompiled_charsmap"
      let encoded = value["precompiled_charsmap"]
      if encoded == nil || encoded?.isNull == true { return [] }
      guard let blob = Base64.decode(try string("precompiled_charsmap").utf8) else {
        throw invalid("precompiled_charsmap", expected: "bytes in base64")
      }
      return blob.isEmpty ? [] : [.characterMap(try CharacterMap(blob, key: key))]
    default:
      throw try unsupported(
        "normalizer",
        [
          "Sequence", "NFC", "NFD", "NFKC", "NFKD", "Prepend", "Replace", "Lowercase", "Strip",
          "StripAccents", "Precompiled",
        ])
    }
  }

  // MARK: Pre-tokenisers

  /// The steps of a `pre_tokenizer`, sequences flattened.
  func preTokenizers() throws -> [PreTokenizer] {
    switch try kind {
    case "Sequence": return try components("pretokenizers").flatMap { try $0.preTokenizers() }
    case "ByteLevel":
      return [
        .byteLevel(
          addsPrefixSpace: try bool("add_prefix_space", default: true),
          usesPattern: try bool("use_regex", default: true))
      ]
    case "Split":
      let (text, isExpression) = try pattern("pattern")
      let behavior: PreTokenizer.SplitBehavior = try choice("behavior")
      let isInverted = try bool("invert", default: false)
      let matcher =
        isExpression
        ? try PreTokenizer.SplitMatcher(expression: text, behavior) : .literal(Array(text.utf8))
      return [.split(matcher, behavior, isInverted: isInverted)]
    case "CharDelimiterSplit":
      return [.split(.literal(try literal("delimiter")), .removed, isInverted: false)]
    case "Whitespace":
      // The reference's own engine counts the joiners of emoji and scripts as parts of words.
      let expression = #"[\w\x{200C}\x{200D}]+|[^\w\s\x{200C}\x{200D}]+"#
      return [.split(try .init(expression: expression), .removed, isInverted: true)]
    case "WhitespaceSplit": return [.split(try .init(expression: #"\s"#), .removed, isInverted: false)]
    case "Punctuation":
      return [.split(try .punctuation, try choice("behavior", default: .isolated), isInverted: false)]
    case "BertPreTokenizer":
      return [
        .split(try .init(expression: #"\s"#), .removed, isInverted: false),
        .split(try .punctuation, .isolated, isInverted: false),
      ]
    case "Digits": return [.digits(individual: try bool("individual_digits", default: false))]
    case "Metaspace":
      let (replacement, scheme) = try metaspace()
      return [
        .metaspace(
          .init(
            replacement: replacement, prependScheme: scheme, splits: try bool("split", default: true)))
      ]
    default:
      throw try unsupported(
        "pre_tokenizer",
        [
          "Sequence", "ByteLevel", "Split", "Digits", "Metaspace", "Punctuation", "Whitespace",
          "WhitespaceSplit", "BertPreTokenizer", "CharDelimiterSplit",
        ])
    }
  }

  private func metaspace() throws -> ([UInt8], PreTokenizer.Metaspace.PrependScheme) {
    let replacement = try literal("replacement")
    if let scheme = value["prepend_scheme"], !scheme.isNull {
      return (replacement, try choice("prepend_scheme"))
    }
    // Files from before `prepend_scheme` say only whether there is a prefix.
    return (replacement, try bool("add_prefix_space", default: true) ? .always : .never)
  }

  // MARK: Post-processors

  /// What a `post_processor` puts around a single text.
  func frame() throws -> TextFrame {
    switch try kind {
    case "ByteLevel": return TextFrame()
    case "Sequence":
      var frame = TextFrame()
      for processor in try components("processors") {
        let outer = try processor.frame()
        frame = TextFrame(prefix: outer.prefix + frame.prefix, suffix: frame.suffix + outer.suffix)
      }
      return frame
    case "TemplateProcessing": return try template()
    default:
      throw try unsupported("post_processor", ["Sequence", "ByteLevel", "TemplateProcessing"])
    }
  }

  private func template() throws -> TextFrame {
    let specialTokens = try component("special_tokens")
    var frame = TextFrame()
    var textCount = 0
    for item in try components("single") {
      if item.value["Sequence"] != nil {
        textCount += 1
        continue
      }
      let name = try item.component("SpecialToken").string("id")
      let entry = try specialTokens.component(name)
      guard let ids = entry.value["ids"]?.arrayValue else {
        throw entry.invalid("ids", expected: "an array of token indices")
      }
      for id in ids {
        guard let identifier = id.integerValue else {
          throw entry.invalid("ids", expected: "an array of token indices")
        }
        if textCount == 0 {
          frame.prefix.append(Int64(identifier))
        } else {
          frame.suffix.append(Int64(identifier))
        }
      }
    }
    guard textCount == 1 else { throw invalid("single", expected: "exactly one Sequence") }
    return frame
  }

  // MARK: Decoders

  /// The steps of a `decoder`, sequences flattened.
  func decoderSteps() throws -> [DecoderStep] {
    switch try kind {
    case "Sequence": return try components("decoders").flatMap { try $0.decoderSteps() }
    case "ByteLevel": return [.byteLevel]
    case "Replace":
      let (pattern, isExpression) = try pattern("pattern")
      if isExpression {
        throw TokenizerError.unsupportedExpression(pattern, reason: "a decoder replaces literal text alone")
      }
      return [.replace(Array(pattern.utf8), with: Array(try string("content").utf8))]
    case "ByteFallback": return [.byteFallback]
    case "Fuse": return [.fuse]
    case "Strip":
      return [.strip(try literal("content"), start: try count("start"), stop: try count("stop"))]
    case "Metaspace":
      let (replacement, scheme) = try metaspace()
      return [.metaspace(replacement, dropsFirst: scheme != .never)]
    default:
      throw try unsupported(
        "decoder", ["Sequence", "ByteLevel", "Replace", "ByteFallback", "Fuse", "Strip", "Metaspace"])
    }
  }
}

extension [DecoderStep] {
  /// Refuses orders in which a step would need whole tokens after they have been joined to one text.
  func checked() throws -> [DecoderStep] {
    var isFused = false
    for step in self {
      switch step {
      case .byteLevel, .plainBytes, .byteFallback, .metaspace, .spaced:
        if isFused {
          throw TokenizerError.invalidValue(
            key: "decoder", found: "a step that reads single tokens after they were joined",
            expected: "ByteLevel, ByteFallback and Metaspace before Fuse")
        }
      case .replace, .strip, .fuse: break
      }
      switch step {
      case .byteLevel, .plainBytes, .fuse: isFused = true
      default: break
      }
    }
    return self
  }
}
