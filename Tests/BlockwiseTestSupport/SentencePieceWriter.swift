/// Writes SentencePiece models (`tokenizer.model`) for tests, also such as no honest program would write.
public struct SentencePieceWriter: Sendable {
  /// A piece: text, score and type number.
  public var pieces: [(text: String, score: Float, type: UInt64)] = []
  /// 1 unigram, 2 byte-pair encoding, 3 words, 4 characters.
  public var modelType: UInt64 = 1
  /// Further fields of the trainer's part: number and value.
  public var trainer: [(field: UInt64, number: UInt64)] = []
  /// Fields of the normaliser's part: number and value.
  public var normalizer: [(field: UInt64, number: UInt64)] = []
  /// The compiled character rules.
  public var characterMap: [UInt8] = []

  /// A model without pieces.
  public init() {}

  /// The bytes of the file.
  public func bytes() -> [UInt8] {
    var file: [UInt8] = []
    for piece in pieces {
      var message = Self.text(1, Array(piece.text.utf8))
      message += Self.varint(2 << 3 | 5)
      message += withUnsafeBytes(of: piece.score.bitPattern.littleEndian, Array.init)
      message += Self.number(3, piece.type)
      file += Self.text(1, message)
    }
    file += Self.text(2, Self.number(3, modelType) + trainer.flatMap { Self.number($0.field, $0.number) })
    var message = normalizer.flatMap { Self.number($0.field, $0.number) }
    if !characterMap.isEmpty { message += Self.text(2, characterMap) }
    return file + Self.text(3, message)
  }

  /// A field of bytes.
  public static func text(_ field: UInt64, _ bytes: [UInt8]) -> [UInt8] {
    varint(field << 3 | 2) + varint(UInt64(bytes.count)) + bytes
  }

  /// A field with a number.
  public static func number(_ field: UInt64, _ value: UInt64) -> [UInt8] {
    varint(field << 3) + varint(value)
  }

  /// A number of seven bits per byte.
  public static func varint(_ value: UInt64) -> [UInt8] {
    var rest = value
    var bytes: [UInt8] = []
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }
}
