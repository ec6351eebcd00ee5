import BlockwiseCLI
import BlockwiseTestSupport
import Testing

struct LineEditorTests {
  /// An editor after keys; the cursor is shown as `|`.
  static func shown(_ editor: LineEditor) -> String {
    var characters = editor.characters
    characters.insert("|", at: editor.cursor)
    return String(characters)
  }

  static func edited(_ keys: [Key], history: [String] = []) -> LineEditor {
    var editor = LineEditor(history: history)
    for key in keys { _ = editor.handle(key) }
    return editor
  }

  @Test(arguments: [
    ([Key.text("abc"), .left, .text("X")], "abX|c"), ([.text("abc"), .backspace], "ab|"),
    ([.text("abc"), .home, .delete], "|bc"), ([.text("abc"), .home, .backspace], "|abc"),
    ([.text("abc"), .delete], "abc|"), ([.text("ab cd"), .killWord], "ab |"),
    ([.text("ab cd "), .killWord], "ab |"), ([.text("ab cd"), .wordLeft, .wordLeft, .killToEnd], "|"),
    ([.text("ab cd"), .wordLeft, .killToEnd], "ab |"), ([.text("ab cd"), .left, .left, .killToStart], "|cd"),
    ([.text("ab cd"), .home, .wordRight], "ab| cd"),
    ([.text("ab"), .newLine, .text("cd"), .home], "ab\n|cd"),
    ([.text("ab"), .newLine, .text("cd"), .up], "ab|\ncd"),
    ([.text("ab"), .newLine, .up, .end, .down], "ab\n|"),
    ([.text("abcd"), .newLine, .text("x"), .up], "a|bcd\nx"),
    ([.text("a"), .newLine, .text("bcd"), .up, .down], "a\nb|cd"),
    ([.text("ab"), .newLine, .text("cd"), .up, .killToEnd], "ab|cd"), ([.text("ab\\"), .enter], "ab\n|"),
    ([.text("ab\\"), .enter, .text("c")], "ab\nc|"), ([.paste("a\nb"), .left, .left], "a|\nb"),
    ([.text("e"), .text("\u{301}"), .backspace], "|"), ([.text("👨‍👩‍👧"), .left, .text("a")], "a|👨‍👩‍👧"),
    ([.left, .right, .up, .down, .wordLeft, .wordRight, .killWord, .killToEnd, .unknown], "|"),
    ([.text("abc"), .interrupt], "|"), ([.text("abc"), .left, .endOfInput], "ab|"),
  ])
  func `keys move the cursor and change the text`(keys: [Key], expected: String) {
    #expect(Self.shown(Self.edited(keys)) == expected)
  }

  @Test func `enter submits, a backslash before it asks for another line`() {
    var editor = LineEditor()
    _ = editor.handle(.text("one\\"))
    #expect(editor.handle(.enter) == .editing)
    _ = editor.handle(.text("two"))
    #expect(editor.handle(.enter) == .submitted("one\ntwo"))
    #expect(editor.text == "")
    #expect(editor.handle(.enter) == .submitted(""))
  }

  @Test func `the control keys of an empty text end or interrupt`() {
    var editor = LineEditor()
    #expect(editor.handle(.interrupt) == .interrupted)
    #expect(editor.handle(.endOfInput) == .ended)
    #expect(editor.handle(.clearScreen) == .clearScreen)
    #expect(editor.handle(.suspend) == .suspend)
    _ = editor.handle(.text("a"))
    #expect(editor.handle(.interrupt) == .editing)
    #expect(editor.text == "")
  }

  @Test func `earlier texts come back, and the one being typed too`() {
    var editor = Self.edited([.text("new")], history: ["first", "second"])
    for (key, text) in [
      (Key.up, "second"), (.up, "first"), (.up, "first"), (.down, "second"), (.down, "new"), (.down, "new"),
    ] {
      _ = editor.handle(key)
      #expect(editor.text == text)
    }
    _ = editor.handle(.up)
    #expect(editor.handle(.enter) == .submitted("second"))
    // A text said twice in a row is kept once.
    #expect(editor.history == ["first", "second"])
    _ = editor.handle(.text("third"))
    _ = editor.handle(.enter)
    #expect(editor.history == ["first", "second", "third"])
    _ = editor.handle(.up)
    #expect(editor.text == "third")
  }

  @Test func `random keys keep the cursor inside of the text`() {
    let keys: [Key] = [
      .text("a"), .text("é"), .text("\u{301}"), .text("🙂"), .text(" "), .text("\\"), .paste("x\ny z"), .enter,
      .newLine, .backspace, .delete, .left, .right, .up, .down, .home, .end, .wordLeft, .wordRight,
      .killToEnd,
      .killToStart, .killWord, .interrupt, .endOfInput, .unknown,
    ]
    for seed in 0..<200 {
      var random = SplitMix(seed: UInt64(seed))
      var editor = LineEditor(history: ["old", "two\nlines"])
      var view = LineView(prompt: "> ", continuation: "  ")
      for _ in 0..<200 {
        _ = editor.handle(keys.randomElement(using: &random) ?? .unknown)
        #expect((0...editor.characters.count).contains(editor.cursor), "seed \(seed)")
        _ = view.draw(
          editor, width: Int.random(in: 1...20, using: &random), height: Int.random(in: 1...5, using: &random)
        )
      }
    }
  }

  // MARK: Keys

  static func decoded(_ bytes: [UInt8]) -> [Key] {
    var decoder = KeyDecoder()
    var keys: [Key] = []
    for byte in bytes { if let key = decoder.feed(byte) { keys.append(key) } }
    if let key = decoder.flush() { keys.append(key) }
    return keys
  }

  @Test(arguments: [
    ("aé🙂", [Key.text("a"), .text("é"), .text("🙂")]),
    ("\u{1B}[A\u{1B}[B\u{1B}[C\u{1B}[D", [.up, .down, .right, .left]),
    ("\u{1B}OA\u{1B}[H\u{1B}[F\u{1B}[1~\u{1B}[4~\u{1B}[3~", [.up, .home, .end, .home, .end, .delete]),
    (
      "\u{1}\u{5}\u{B}\u{15}\u{17}\u{3}\u{4}",
      [.home, .end, .killToEnd, .killToStart, .killWord, .interrupt, .endOfInput]
    ),
    ("\r\n\u{1B}\r", [.enter, .newLine, .newLine]), ("\u{7F}\u{8}", [.backspace, .backspace]),
    ("\u{1B}[1;5D\u{1B}[1;3C\u{1B}b\u{1B}f", [.wordLeft, .wordRight, .wordLeft, .wordRight]),
    ("\u{1B}[200~a\rb\r\nc\u{7}\u{1B}[201~x", [.paste("a\nb\nc"), .text("x")]), ("\u{1B}", [.unknown]),
    ("\u{1B}[99;99x", [.unknown]), ("\u{1B}[A", [.up]), ("\t", [.text("\t")]),
    ("\u{C}\u{1A}", [.clearScreen, .suspend]),
  ])
  func `bytes of a terminal become keys`(text: String, keys: [Key]) {
    #expect(Self.decoded(Array(text.utf8)) == keys)
  }

  @Test func `broken bytes become no text`() {
    #expect(Self.decoded([0xFF, 0xC3, 0x61, 0xE2, 0x82]) == [.unknown, .text("a"), .unknown])
    for seed in 0..<500 {
      var random = SplitMix(seed: UInt64(seed))
      let bytes = (0..<60).map { _ in
        UInt8.random(in: 0..<4, using: &random) == 0 ? 0x1B : UInt8.random(in: 0...255, using: &random)
      }
      var decoder = KeyDecoder()
      for byte in bytes { _ = decoder.feed(byte) }
      _ = decoder.flush()
      #expect(!decoder.isWaiting, "seed \(seed)")
    }
  }

  // MARK: View

  @Test func `the view wraps lines, puts the cursor, and goes back to its first row`() {
    var view = LineView(prompt: "> ", continuation: "  ")
    var editor = Self.edited([.text("abc")])
    #expect(view.draw(editor, width: 20, height: 5) == "\r\u{1B}[J> abc\r\u{1B}[5C")
    _ = editor.handle(.newLine)
    _ = editor.handle(.text("漢"))
    #expect(view.draw(editor, width: 20, height: 5) == "\r\u{1B}[J> abc\r\n  漢\r\u{1B}[4C")
    _ = editor.handle(.up)
    #expect(view.draw(editor, width: 20, height: 5) == "\u{1B}[1A\r\u{1B}[J> abc\r\n  漢\u{1B}[1A\r\u{1B}[3C")
    var narrow = LineView(prompt: "> ", continuation: "  ")
    // The text ends behind the last column: the cursor stands in the next row.
    #expect(narrow.draw(Self.edited([.text("abcdef")]), width: 8, height: 5) == "\r\u{1B}[J> abcdef\r\n\r")
    #expect(
      narrow.draw(Self.edited([.text("abcdefgh")]), width: 8, height: 5)
        == "\u{1B}[1A\r\u{1B}[J> abcdef\r\ngh\r\u{1B}[2C")
    // Of a text higher than the screen the rows around the cursor are shown.
    var low = LineView(prompt: "> ", continuation: "  ")
    let tall = Self.edited([.paste("a\nb\nc\nd")])
    #expect(low.draw(tall, width: 20, height: 2) == "\r\u{1B}[J  c\r\n  d\r\u{1B}[3C")
    #expect(low.finish(tall, width: 20, height: 2).hasSuffix("\r\n"))
  }

  // MARK: History and input

  @Test func `the history survives the session, whatever stands in it`() throws {
    let folder = try TemporaryFolder()
    let file = HistoryFile(path: folder.path + "/cache/blockwise/chat-history")
    #expect(file.read().isEmpty)
    try file.append("one\nline \"two\"")
    try file.append("two é")
    #expect(file.read() == ["one\nline \"two\"", "two é"])
    try folder.write("broken", "\"ok\"\n5\nnot json\n\u{0}\n\"end")
    #expect(HistoryFile(path: folder.path + "/broken").read() == ["ok"])
    for number in 0..<2500 { try file.append("\(number)") }
    #expect(file.read().count == 1000)
    #expect(file.read().last == "2499")
    #expect(try folder.names() == ["broken", "cache"])
  }

  @Test(arguments: [
    ("hello", ChatInput.message("hello")), ("  spaced ", .message("  spaced ")), ("", .nothing),
    (" \n", .nothing),
    ("/help", .help), ("/quit", .quit), ("/exit ", .quit), ("/reset", .reset),
    ("/save a b.json", .save("a b.json")),
    ("/load x", .load("x")), ("/system Be brief.", .system("Be brief.")), ("/system", .system(nil)),
    ("/system -", .system("")), ("//slash", .message("/slash")), ("/save", .mistake("/save needs a file")),
    ("/quit now", .mistake("/quit takes nothing behind it")),
    ("/nope", .mistake("there is no command /nope; /help lists them, and // begins a message with a slash")),
    ("a /quit", .message("a /quit")),
  ])
  func `what begins with a slash is a command`(text: String, input: ChatInput) {
    #expect(ChatInput(text) == input)
  }
}
