/// What a checkpoint itself says about generating text: end tokens and the sampling its makers recommend.
///
/// Every value may be missing; nothing here is a default of the engine.
public struct GenerationConfiguration: Sendable, Hashable {
  /// Tokens that end a text or a turn, without repetition.
  public var endTokens: [TokenID] = []
  /// The token texts begin with.
  public var beginToken: TokenID?
  /// The token that fills batches.
  public var padToken: TokenID?
  /// Whether to sample rather than take the most likely token.
  public var doesSample: Bool?
  /// 0 or more.
  public var temperature: Double?
  /// 0…1.
  public var topP: Double?
  /// At least 1; files write "off" as 0 or −1, which is read as nil.
  public var topK: Int?
  /// 0…1.
  public var minP: Double?
  /// More than 0; 1 has no effect.
  public var repetitionPenalty: Double?
  /// Longest text to generate, in tokens.
  public var maximumTokenCount: Int?

  /// A configuration that says nothing.
  public init() {}

  /// Reads generation_config.json, or the token ids in config.json, which have the same keys.
  ///
  /// - Throws: ``ModelFileError/key(name:found:expected:file:)``.
  public init(_ json: JSONValue, file: String) throws(ModelFileError) {
    self = try Self(
      KeyedValues(file: file) { key in
        guard let value = json[key], !value.isNull else { return nil }
        return KeyedValues.Value(
          integer: value.integerValue, number: value.numberValue, bool: value.boolValue,
          summary: value.summary,
          list: value.arrayValue?.map { KeyedValues.Value($0) })
      }, keys: .json)
  }

  /// Reads the metadata of a GGUF file.
  ///
  /// - Throws: ``ModelFileError/key(name:found:expected:file:)``.
  init(gguf metadata: [String: GGUFValue], file: String) throws(ModelFileError) {
    defer {
      // These files have no switch: a temperature is there to be used.
      if doesSample == nil, temperature != nil { doesSample = true }
    }
    self = try Self(
      KeyedValues(file: file) { key in
        guard let value = metadata[key] else { return nil }
        return KeyedValues.Value(
          integer: value.integerValue, number: value.numberValue, bool: value.boolValue,
          summary: value.summary,
          list: value.arrayValue?.integers?.map { KeyedValues.Value(.integer(Int64($0))) })
      }, keys: .gguf)
  }

  private init(_ values: KeyedValues, keys: Keys) throws(ModelFileError) {
    for key in keys.end {
      for token in try values.tokens(key) where !endTokens.contains(token) { endTokens.append(token) }
    }
    beginToken = try values.tokens(keys.begin).first
    padToken = try values.tokens(keys.pad).first
    doesSample = try values.bool(keys.sample)
    temperature = try values.number(keys.temperature, "a number of at least 0") { $0 >= 0 }
    topP = try values.number(keys.topP, "a number from 0 to 1") { (0...1).contains($0) }
    minP = try values.number(keys.minP, "a number from 0 to 1") { (0...1).contains($0) }
    repetitionPenalty = try values.number(keys.repetitionPenalty, "a number above 0") { $0 > 0 }
    let topK = try values.integer(keys.topK, "a whole number of at least -1") { $0 >= -1 }
    self.topK = topK.flatMap { $0 > 0 ? $0 : nil }
    maximumTokenCount = try values.integer(keys.maximumTokenCount, "a whole number above 0") { $0 > 0 }
  }
}

/// What the values are called in each kind of file.
private struct Keys {
  var end: [String]
  var begin, pad, sample, temperature, topP, topK, minP, repetitionPenalty, maximumTokenCount: String

  static let json = Keys(
    end: ["eos_token_id"], begin: "bos_token_id", pad: "pad_token_id", sample: "do_sample",
    temperature: "temperature", topP: "top_p", topK: "top_k", minP: "min_p",
    repetitionPenalty: "repetition_penalty", maximumTokenCount: "max_new_tokens")

  static let gguf = Keys(
    end: ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"],
    begin: "tokenizer.ggml.bos_token_id", pad: "tokenizer.ggml.padding_token_id",
    sample: "general.sampling.do_sample", temperature: "general.sampling.temp",
    topP: "general.sampling.top_p",
    topK: "general.sampling.top_k", minP: "general.sampling.min_p",
    repetitionPenalty: "general.sampling.penalty_repeat", maximumTokenCount: "general.sampling.max_new_tokens"
  )
}

/// Values by key, of either kind of file, with the checks and errors they share.
private struct KeyedValues {
  struct Value {
    var integer: Int?
    var number: Double?
    var bool: Bool?
    var summary: String
    var list: [Value]?
  }

  let file: String
  let find: (String) -> Value?

  /// One id, a list of ids, or none: −1 (also as an unsigned number) stands for none, as in configurations of Llama.
  func tokens(_ key: String) throws(ModelFileError) -> [TokenID] {
    guard let value = find(key) else { return [] }
    var tokens: [TokenID] = []
    for item in value.list ?? [value] {
      guard let integer = item.integer, integer >= -1, integer <= Int(UInt32.max) else {
        throw error(key, value, "a token id or a list of them")
      }
      if integer == -1 || integer == Int(UInt32.max) { continue }
      guard let id = Int32(exactly: integer) else {
        throw error(key, value, "a token id of at most \(Int32.max)")
      }
      tokens.append(TokenID(id))
    }
    return tokens
  }

  func bool(_ key: String) throws(ModelFileError) -> Bool? {
    guard let value = find(key) else { return nil }
    guard let bool = value.bool else { throw error(key, value, "true or false") }
    return bool
  }

  func number(
    _ key: String, _ expected: String, _ accepts: (Double) -> Bool
  ) throws(ModelFileError) -> Double? {
    guard let value = find(key) else { return nil }
    guard let number = value.number, number.isFinite, accepts(number) else {
      throw error(key, value, expected)
    }
    return number
  }

  func integer(
    _ key: String, _ expected: String, _ accepts: (Int) -> Bool
  ) throws(ModelFileError) -> Int? {
    guard let value = find(key) else { return nil }
    guard let integer = value.integer, accepts(integer) else { throw error(key, value, expected) }
    return integer
  }

  private func error(_ key: String, _ value: Value, _ expected: String) -> ModelFileError {
    .key(name: key, found: value.summary, expected: expected, file: file)
  }
}

extension KeyedValues.Value {
  init(_ json: JSONValue) {
    self.init(
      integer: json.integerValue, number: json.numberValue, bool: json.boolValue, summary: json.summary,
      list: nil)
  }
}
