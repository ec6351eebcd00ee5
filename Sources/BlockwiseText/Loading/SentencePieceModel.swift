/// What a SentencePiece `tokenizer.model` says: pieces with scores and types, and how text is normalised.
///
/// The file is a Protocol Buffers message, `sentencepiece_model.proto` of the SentencePiece project. Fields that
/// only concern training are skipped.
struct SentencePieceModel {
  struct Piece {
    var text: UnsafeBufferPointer<UInt8>
    var score: Float = 0
    var type = PieceType.normal
  }

  /// `TrainerSpec.ModelType`.
  enum Kind: Int32, Sendable {
    case unigram = 1
    case pairs, word, character
  }

  var pieces: [Piece] = []
  var kind = Kind.unigram
  var fallsBackToBytes = false
  var spacesAreSuffixes = false
  var unknownIdentifier: Int32 = 0
  var bosIdentifier: Int32 = 1
  var eosIdentifier: Int32 = 2
  var padIdentifier: Int32 = -1
  var addsPrefix = true
  var removesExtraSpaces = true
  var escapesSpaces = true
  /// Empty: no rules.
  var characterMap: [UInt8] = []

  /// Reads a model; its pieces point into `bytes`.
  init(_ bytes: UnsafeBufferPointer<UInt8>) throws {
    var reader = ProtobufReader(bytes, name: "model")
    while let (field, value) = try reader.next() {
      switch (field, value) {
      case (1, .bytes(let message)): try readPiece(message)
      case (2, .bytes(let message)): try readTrainer(message)
      case (3, .bytes(let message)): try readNormalizer(message)
      case (5, .bytes(let message)): try checkDenormalizer(message)
      case (1, _), (2, _), (3, _), (5, _): throw reader.fault("field \(field) as a number", "a message")
      default: break
      }
    }
    if pieces.isEmpty { throw TokenizerError.missingKey("pieces") }
  }

  private mutating func readPiece(_ message: UnsafeBufferPointer<UInt8>) throws {
    let name = "pieces[\(pieces.count)]"
    var piece = Piece(text: UnsafeBufferPointer(rebasing: message[0..<0]))
    var reader = ProtobufReader(message, name: name)
    while let (field, value) = try reader.next() {
      switch field {
      case 1:
        guard let text = value.text, !text.isEmpty, UTF8Text.firstInvalidOffset(text) == nil else {
          throw TokenizerError.invalidValue(
            key: name + ".piece", found: "nothing or broken text", expected: "UTF-8 text")
        }
        piece.text = text
      case 2:
        guard let score = value.float, score.isFinite else {
          throw TokenizerError.invalidValue(
            key: name + ".score", found: "\(value.float ?? .nan)", expected: "a finite number")
        }
        piece.score = score
      case 3:
        guard let number = value.int32, let type = PieceType(rawValue: number) else {
          throw TokenizerError.invalidValue(
            key: name + ".type", found: "\(value.int32 ?? -1)", expected: "a type from 1 to 6")
        }
        piece.type = type
      default: break
      }
    }
    if piece.text.isEmpty { throw TokenizerError.missingKey(name + ".piece") }
    pieces.append(piece)
  }

  private mutating func readTrainer(_ message: UnsafeBufferPointer<UInt8>) throws {
    var reader = ProtobufReader(message, name: "trainer_spec")
    while let (field, value) = try reader.next() {
      switch field {
      case 3:
        guard let number = value.int32, let kind = Kind(rawValue: number) else {
          throw TokenizerError.invalidValue(
            key: "trainer_spec.model_type", found: "\(value.int32 ?? -1)", expected: "a type from 1 to 4")
        }
        self.kind = kind
      case 24: spacesAreSuffixes = try flag(value, "trainer_spec.treat_whitespace_as_suffix")
      case 35: fallsBackToBytes = try flag(value, "trainer_spec.byte_fallback")
      case 40: unknownIdentifier = try identifier(value, "trainer_spec.unk_id")
      case 41: bosIdentifier = try identifier(value, "trainer_spec.bos_id")
      case 42: eosIdentifier = try identifier(value, "trainer_spec.eos_id")
      case 43: padIdentifier = try identifier(value, "trainer_spec.pad_id")
      default: break
      }
    }
  }

  private mutating func readNormalizer(_ message: UnsafeBufferPointer<UInt8>) throws {
    var reader = ProtobufReader(message, name: "normalizer_spec")
    while let (field, value) = try reader.next() {
      switch field {
      case 2:
        guard let blob = value.text else {
          throw reader.fault("a precompiled_charsmap that is a number", "bytes")
        }
        characterMap = Array(blob)
      case 3: addsPrefix = try flag(value, "normalizer_spec.add_dummy_prefix")
      case 4: removesExtraSpaces = try flag(value, "normalizer_spec.remove_extra_whitespaces")
      case 5: escapesSpaces = try flag(value, "normalizer_spec.escape_whitespaces")
      default: break
      }
    }
  }

  private func checkDenormalizer(_ message: UnsafeBufferPointer<UInt8>) throws {
    var reader = ProtobufReader(message, name: "denormalizer_spec")
    while let (field, value) = try reader.next() {
      if field == 2, value.text?.isEmpty == false {
        throw TokenizerError.unsupported(
          component: "denormalizer_spec", kind: "precompiled_charsmap", supported: ["none"])
      }
    }
  }

  private func flag(_ value: ProtobufReader.Value, _ key: String) throws(TokenizerError) -> Bool {
    guard let flag = value.flag else {
      throw .invalidValue(key: key, found: "bytes", expected: "true or false")
    }
    return flag
  }

  private func identifier(_ value: ProtobufReader.Value, _ key: String) throws(TokenizerError) -> Int32 {
    guard let number = value.int32 else {
      throw .invalidValue(key: key, found: "bytes", expected: "an integer")
    }
    return number
  }
}
