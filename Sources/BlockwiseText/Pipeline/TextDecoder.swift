/// Runs the decoder steps over a stream of tokens, holding back what a later token may still change.
///
/// The concatenation of the outputs is the text that decoding all tokens at once gives, because decoding at once
/// is done with this type too, with one exception: see ``isEager``.
struct TextDecoder: Sendable {
  private let steps: [DecoderStep]
  private var states: [State]

  /// What a step remembers between tokens.
  private struct State {
    /// No piece has come yet.
    var isFirst = true
    /// Text has been fused by an earlier step, so pieces are parts of one text.
    var isFused = false
    /// Bytes that wait for the next piece.
    var pending: [UInt8] = []
    /// How many leading scalars ``DecoderStep/strip`` has removed; nil once other text has come.
    var strippedCount: Int? = 0
    var assembler = UTF8Assembler()
    /// The run of byte tokens is known not to be UTF-8.
    var isBroken = false
  }

  /// Whether the characters of a run of byte tokens come out as soon as they are whole. The reference judges a run
  /// as a whole and gives one U+FFFD for each byte of a run that is not UTF-8; what has come out stays, so for such
  /// a run, and for no other, the texts differ.
  private let isEager: Bool

  init(steps: [DecoderStep], isEager: Bool) {
    self.steps = steps
    self.isEager = isEager
    var isFused = false
    states = steps.map { step in
      defer {
        switch step {
        case .byteLevel, .plainBytes, .fuse: isFused = true
        default: break
        }
      }
      return State(isFused: isFused)
    }
  }

  /// Takes a token's text, appends the text that is certain now.
  mutating func append(_ token: ArraySlice<UInt8>, to output: inout [UInt8]) {
    push(token, step: 0, &output)
  }

  /// Ends the text.
  mutating func finish(to output: inout [UInt8]) {
    for index in steps.indices {
      switch steps[index] {
      case .byteLevel, .plainBytes:
        var text: [UInt8] = []
        states[index].assembler.finish(to: &text)
        if !text.isEmpty { push(text[...], step: index + 1, &output) }
      case .byteFallback: flushByteRun(index, &output)
      case .replace, .strip:
        let rest = states[index].pending
        states[index].pending = []
        if case .strip = steps[index] { continue }  // what is held back there is what gets stripped
        if !rest.isEmpty { push(rest[...], step: index + 1, &output) }
      case .fuse, .metaspace, .spaced: break
      }
    }
  }

  private mutating func push(_ piece: ArraySlice<UInt8>, step index: Int, _ output: inout [UInt8]) {
    guard index < steps.count else {
      output.append(contentsOf: piece)
      return
    }
    switch steps[index] {
    case .byteLevel:
      var bytes: [UInt8] = []
      piece.withUnsafeBufferPointer { ByteAlphabet.appendBytes(of: $0, to: &bytes) }
      assemble(bytes[...], index, &output)
    case .plainBytes:
      if let byte = DecoderStep.byte(named: piece) {
        assemble([byte], index, &output)
      } else {
        assemble(piece, index, &output)
      }
    case .fuse: push(piece, step: index + 1, &output)
    case .replace(let pattern, let content):
      if states[index].isFused {
        replaceAcrossPieces(piece, pattern, content, index, &output)
      } else {
        let replaced = piece.withUnsafeBufferPointer {
          TextNormalizer.replacing(pattern, in: $0, with: content)
        }
        push(replaced.map { $0[...] } ?? piece, step: index + 1, &output)
      }
    case .byteFallback:
      if let byte = DecoderStep.byte(named: piece) {
        states[index].pending.append(byte)
        if isEager, index + 1 == steps.count || steps[index + 1] == .fuse {
          emitWholeCharacters(index, &output)
        }
      } else {
        flushByteRun(index, &output)
        push(piece, step: index + 1, &output)
      }
    case .strip(let scalar, let start, let stop):
      if states[index].isFused {
        stripAcrossPieces(piece, scalar, start, stop, index, &output)
      } else {
        push(Self.stripped(piece, scalar, start, stop), step: index + 1, &output)
      }
    case .metaspace(let replacement, let dropsFirst):
      let content: [UInt8] = states[index].isFirst && dropsFirst ? [] : [0x20]
      states[index].isFirst = false
      let replaced = piece.withUnsafeBufferPointer {
        TextNormalizer.replacing(replacement, in: $0, with: content)
      }
      push(replaced.map { $0[...] } ?? piece, step: index + 1, &output)
    case .spaced:
      let prefix: [UInt8] = states[index].isFirst ? [] : [0x20]
      states[index].isFirst = false
      push(prefix + piece, step: index + 1, &output)
    }
  }

  private mutating func assemble(_ bytes: ArraySlice<UInt8>, _ index: Int, _ output: inout [UInt8]) {
    if index + 1 == steps.count { return states[index].assembler.append(bytes, to: &output) }
    var text: [UInt8] = []
    states[index].assembler.append(bytes, to: &text)
    if !text.isEmpty { push(text[...], step: index + 1, &output) }
  }

  /// The reference judges a run of byte tokens as a whole, so nothing of it is certain before it ends.
  private mutating func flushByteRun(_ index: Int, _ output: inout [UInt8]) {
    let run = states[index].pending
    states[index].isBroken = false
    if run.isEmpty { return }
    states[index].pending = []
    if run.withUnsafeBufferPointer({ UTF8Text.firstInvalidOffset($0) }) == nil {
      push(run[...], step: index + 1, &output)
    } else {
      for _ in run { push(UTF8Text.replacement[...], step: index + 1, &output) }
    }
  }

  /// Lets out what a run of byte tokens spells so far.
  private mutating func emitWholeCharacters(_ index: Int, _ output: inout [UInt8]) {
    let run = states[index].pending
    if !states[index].isBroken {
      // The run is the beginning of one character, whole characters having left it.
      switch run.withUnsafeBufferPointer({ UTF8Text.element($0, at: 0) }) {
      case .cut: return
      case .scalar:
        states[index].pending = []
        return push(run[...], step: index + 1, &output)
      case .broken: states[index].isBroken = true
      }
    }
    states[index].pending = []
    for _ in run { push(UTF8Text.replacement[...], step: index + 1, &output) }
  }

  /// Replacement in fused text: a match may begin in one piece and end in a later one.
  private mutating func replaceAcrossPieces(
    _ piece: ArraySlice<UInt8>, _ pattern: [UInt8], _ content: [UInt8], _ index: Int,
    _ output: inout [UInt8]
  ) {
    let text = states[index].pending + piece
    // The longest end of the text that is a proper beginning of the pattern, outside complete matches.
    var cursor = 0
    var consumed = 0
    while cursor + pattern.count <= text.count {
      if text[cursor..<cursor + pattern.count].elementsEqual(pattern) {
        cursor += pattern.count
        consumed = cursor
      } else {
        cursor += 1
      }
    }
    let held = stride(from: min(pattern.count - 1, text.count - consumed), to: 0, by: -1).first {
      text.suffix($0).elementsEqual(pattern.prefix($0))
    }
    let ready = text.prefix(text.count - (held ?? 0))
    states[index].pending = Array(text.suffix(held ?? 0))
    let replaced = ready.withUnsafeBufferPointer {
      TextNormalizer.replacing(pattern, in: $0, with: content)
    }
    let result = replaced.map { $0[...] } ?? ready
    if !result.isEmpty { push(result, step: index + 1, &output) }
  }

  private static func stripped(
    _ piece: ArraySlice<UInt8>, _ scalar: [UInt8], _ start: Int, _ stop: Int
  ) -> ArraySlice<UInt8> {
    var piece = piece
    var leading = 0
    while leading < start, piece.starts(with: scalar) {
      piece = piece.dropFirst(scalar.count)
      leading += 1
    }
    var trailing = 0
    while trailing < stop, piece.suffix(scalar.count).elementsEqual(scalar) {
      piece = piece.dropLast(scalar.count)
      trailing += 1
    }
    return piece
  }

  /// Stripping of fused text: the beginning is stripped once, and up to `stop` scalars at the end wait.
  private mutating func stripAcrossPieces(
    _ piece: ArraySlice<UInt8>, _ scalar: [UInt8], _ start: Int, _ stop: Int, _ index: Int,
    _ output: inout [UInt8]
  ) {
    var piece = piece
    while let count = states[index].strippedCount, !piece.isEmpty {
      if count < start, piece.starts(with: scalar) {
        piece = piece.dropFirst(scalar.count)
        states[index].strippedCount = count + 1
      } else {
        states[index].strippedCount = nil
      }
    }
    guard stop > 0 else {
      if !piece.isEmpty { push(piece, step: index + 1, &output) }
      return
    }
    let text = states[index].pending + piece
    var ready = text[...]
    var trailing = 0
    while trailing < stop, ready.suffix(scalar.count).elementsEqual(scalar), !ready.isEmpty {
      ready = ready.dropLast(scalar.count)
      trailing += 1
    }
    states[index].pending = Array(text.suffix(text.count - ready.count))
    if !ready.isEmpty { push(ready, step: index + 1, &output) }
  }
}
