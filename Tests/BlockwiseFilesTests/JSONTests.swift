import BlockwiseFiles
import BlockwiseTestSupport
import Testing

@Suite struct JSONTests {
  @Test func `values of every kind are read`() throws {
    let value = try JSONValue(
      parsing: #" {"a": [1, -2.5, 1e3, true, false, null, "x"], "b": {"c": {}}, "d": []} "#)
    #expect(
      value == [
        "a": [1, -2.5, 1000.0, true, false, nil, "x"], "b": ["c": [:]], "d": [],
      ])
    #expect(value["a"]?[1]?.numberValue == -2.5)
    #expect(value["a"]?[2]?.integerValue == 1000)
    #expect(value["b"]?["c"]?.objectValue?.isEmpty == true)
  }

  @Test(arguments: [
    "", " ", "{", "[", "[1,]", "{,}", #"{"a":1,}"#, "[1 2]", #"{"a" 1}"#, #"{"a":}"#, "{1:2}", "01", "-",
    "-01", "1.",
    ".5", "1e", "1e+", "+1", "NaN", "Infinity", "-Infinity", "nul", "truex", "tru", "[1]]", "1 2", "'a'",
    #""a"#,
    "\"\u{1}\"", "\"\n\"", #""\x""#, #""\u12""#, #""\u12g4""#, #""\ud800""#, #""\udc00""#, #""\ud800\n""#,
    #""\ud800\u0041""#, #""\"#, "[,1]", "// a\n1", "1e999", "-1e999", "}", "]", ",", ":", #"{"a":1 "b":2}"#,
    "\u{0}",
    "[1}", #"{"a":1]"#, "0x10", "1_000", "\u{FEFF}", "1\u{FEFF}", "\u{A0}1", "--1", "1.e5", "0e",
  ])
  func `text that is not JSON is refused`(text: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
  }

  @Test(
    arguments: [
      [0x22, 0x80, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xC1, 0xBF, 0x22], [0x22, 0xE0, 0x80, 0x80, 0x22],
      [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22],
      [0x22, 0xF5, 0x80, 0x80, 0x80, 0x22],
      [0x22, 0xE2, 0x82, 0x22], [0x22, 0xC3], [0x22, 0xF0, 0x9F, 0x98], [0x22, 0xFF, 0x22],
      [0x5B, 0x22, 0xE2, 0x28, 0xA1, 0x22, 0x5D],
    ] as [[UInt8]])
  func `invalid UTF-8 is refused`(bytes: [UInt8]) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: bytes) }
  }

  @Test func `an error names line, column and what was expected`() throws {
    let error = try #require(throws: JSONError.self) {
      try JSONValue(parsing: "{\n  \"é\": 1,\n  \"ü\" 2\n}")
    }
    #expect(error.line == 3)
    #expect(error.column == 7)
    #expect(error.offset == 20)
    #expect(error.description == "line 3, column 7 (byte 20): expected ':', found '2'")
  }

  @Test func `escapes are decoded`() throws {
    let value = try JSONValue(parsing: #""\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00\u0000é€😀""#)
    #expect(value == .string("\"\\/\u{8}\u{C}\n\r\tAé€😀\u{0}é€😀"))
  }

  @Test func `whole numbers of 64 bits stay exact`() throws {
    let value = try JSONValue(
      parsing: "[9223372036854775807, -9223372036854775808, 9223372036854775808, -0, 0, 0.1, 5e-324, 2.0]")
    #expect(
      value
        == .array([
          .integer(.max), .integer(.min), .number(9_223_372_036_854_775_808), .number(-0.0), .integer(0),
          .number(0.1),
          .number(.leastNonzeroMagnitude), .number(2),
        ]))
    #expect(value[3]?.numberValue?.sign == .minus)
    #expect(value[2]?.integerValue == nil)
    #expect(value[7]?.integerValue == 2)
  }

  @Test func `of members with the same key the last one counts`() throws {
    let value = try JSONValue(parsing: #"{"a": 1, "b": 2, "a": 3}"#)
    #expect(value.objectValue?.keys == ["a", "b"])
    #expect(value["a"] == 3)
  }

  @Test func `keys are told apart by their bytes`() throws {
    let value = try JSONValue(parsing: "{\"\u{E9}\": 1, \"e\u{301}\": 2}")
    #expect(value.objectValue?.count == 2)
    #expect(value["\u{E9}"] == 1)
    #expect(value["e\u{301}"] == 2)
  }

  @Test func `a byte order mark is skipped`() throws {
    #expect(try JSONValue(parsing: "\u{FEFF}[1]") == [1])
  }

  @Test func `nesting has a limit`() throws {
    let deep = String(repeating: "[", count: 256) + String(repeating: "]", count: 256)
    #expect(throws: Never.self) { try JSONValue(parsing: deep) }
    #expect(throws: JSONError.self) { try JSONValue(parsing: "[" + deep + "]") }
    #expect(throws: JSONError.self) { try JSONValue(parsing: String(repeating: "{\"a\":", count: 100_000)) }
  }

  @Test func `accessors name the path that is wrong`() throws {
    let value = try JSONValue(parsing: #"{"n": 2, "scaling": {"factor": "x", "none": null}}"#)
    #expect(try value.integer("n") == 2)
    #expect(try value.numberIfPresent("scaling", "none") == nil)
    #expect(try value.numberIfPresent("scaling", "missing") == nil)
    #expect(try value.numberIfPresent("missing", "missing") == nil)
    #expect(
      throws: JSONKeyError(keyPath: "scaling.factor", found: "the string \"x\"", expected: "a number")
    ) { try value.number("scaling", "factor") }
    #expect(throws: JSONKeyError(keyPath: "n", found: "2", expected: "an object")) {
      try value.numberIfPresent("n", "factor")
    }
    #expect(throws: JSONKeyError(keyPath: "missing", found: "nothing", expected: "a string")) {
      try value.string("missing")
    }
  }

  @Test func `written text reads back as the same value`() throws {
    let value: JSONValue = [
      "z": [1, -2.5, 1e-7, 1e300, 0.1, nil, true], "a\"\\\u{1}\u{7F}\n": "é😀\u{0}\t", "empty": [:],
      "none": [],
      "nested": ["a": ["b": [[]]]],
    ]
    for layout in [JSONValue.Layout.compact, .pretty] {
      let text = value.text(layout)
      let again = try JSONValue(parsing: text)
      #expect(again == value, "\(text)")
      #expect(again.objectValue?.keys == value.objectValue?.keys)
    }
    #expect(JSONValue(dictionaryLiteral: ("b", [1, 2]), ("a", [:])).text() == #"{"b":[1,2],"a":{}}"#)
    #expect(
      (["b": [1], "a": []] as JSONValue).text(.pretty) == "{\n  \"b\": [\n    1\n  ],\n  \"a\": []\n}")
    #expect(JSONValue.number(.nan).text() == "null")
  }

  @Test(arguments: 0..<200)
  func `random values survive writing and reading`(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let value = randomValue(&random, depth: 4)
    for layout in [JSONValue.Layout.compact, .pretty] {
      #expect(try JSONValue(parsing: value.bytes(layout)) == value, "seed \(seed)")
    }
  }

  @Test func `the reader walks a text without building it`() throws {
    let text = Array(
      #"{"skip": [1, {"a": "\n"}], "vo\u0063ab": {"a\"b": 1, "é": 2}, "merges": ["a b", "c d"]}"#.utf8)
    try text.withUnsafeBufferPointer { text in
      var reader = JSONReader(text)
      var vocabulary: [String: Int] = [:]
      var merges: [[UInt8]] = []
      try reader.beginObject()
      while let key = try reader.nextKey() {
        if reader.equals(key, "vocab") {
          try reader.beginObject()
          while let token = try reader.nextKey() {
            #expect(token.hasEscapes == (reader.string(token) == "a\"b"))
            vocabulary[reader.string(token)] = try reader.readInt()
          }
        } else if reader.equals(key, "merges") {
          try reader.beginArray()
          while try reader.nextElement() {
            let merge = try reader.readString()
            merges.append(Array(reader.rawBytes(merge)))
          }
        } else {
          #expect(try reader.peekKind() == .array)
          try reader.skipValue()
        }
      }
      try reader.finish()
      #expect(vocabulary == ["a\"b": 1, "é": 2])
      #expect(merges == [Array("a b".utf8), Array("c d".utf8)])
    }
  }

  @Test func `the reader refuses what is not asked for`() throws {
    let text = Array(#"["a", 1.5, 2e3, 99999999999999999999]"#.utf8)
    try text.withUnsafeBufferPointer { text in
      var reader = JSONReader(text)
      try reader.beginArray()
      #expect(try reader.nextElement())
      var copy = reader
      #expect(throws: JSONError.self) { try copy.readInt() }
      copy = reader
      #expect(throws: JSONError.self) { try copy.beginObject() }
      #expect(try reader.bytes(of: reader.readString()) == [0x61])
      #expect(try reader.nextElement())
      copy = reader
      #expect(throws: JSONError.self) { try copy.readInt() }
      #expect(try reader.readDouble() == 1.5)
      #expect(try reader.nextElement())
      #expect(try reader.readInt() == 2000)
      #expect(try reader.nextElement())
      copy = reader
      #expect(throws: JSONError.self) { try copy.readInt() }
      #expect(try reader.readDouble() == 1e20)
      #expect(try !reader.nextElement())
      try reader.finish()
    }
  }

  @Test(.enabled(if: SharedData.isAvailable))
  func `the reader and the tree agree about a real vocabulary`() throws {
    let text = try SharedData.bytes("parity/tokenizers/qwen/vocab.json")
    let tree = try JSONValue(parsing: text)
    var count = 0
    try text.withUnsafeBufferPointer { text in
      var reader = JSONReader(text)
      try reader.beginObject()
      while let key = try reader.nextKey() {
        let id = try reader.readInt()
        #expect(tree[reader.string(key)]?.integerValue == id)
        count += 1
      }
      try reader.finish()
    }
    #expect(count == tree.objectValue?.count)
    #expect(count > 151_000)
  }

  @Test(arguments: 0..<20)
  func `damaged text throws or reads in full`(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let source = randomValue(&random, depth: 5).bytes(seed % 2 == 0 ? .compact : .pretty)
    for _ in 0..<500 {
      let bytes = random.damaged(source)
      if let value = try? JSONValue(parsing: bytes) {
        #expect((try? JSONValue(parsing: value.bytes())) == value, "seed \(seed): \(bytes)")
      }
    }
  }

  private func randomValue(_ random: inout SplitMix, depth: Int) -> JSONValue {
    switch Int.random(in: 0..<(depth > 0 ? 8 : 5), using: &random) {
    case 0: return .null
    case 1: return .bool(Bool.random(using: &random))
    case 2:
      return .integer(
        Int64.random(in: .min ... .max, using: &random) >> Int64.random(in: 0..<64, using: &random))
    case 3:
      let number = Double(bitPattern: random.next())
      return .number(number.isFinite ? number : 0.5)
    case 4: return .string(randomString(&random))
    case 5, 6:
      return .array(
        (0..<Int.random(in: 0..<5, using: &random)).map { _ in randomValue(&random, depth: depth - 1) })
    default:
      var object = JSONObject()
      for _ in 0..<Int.random(in: 0..<5, using: &random) {
        object[randomString(&random)] = randomValue(&random, depth: depth - 1)
      }
      return .object(object)
    }
  }

  private func randomString(_ random: inout SplitMix) -> String {
    let limits: [UInt32] = [0x20, 0x80, 0x800, 0x10000, 0x110000]
    var string = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 0..<20, using: &random) {
      if let scalar = Unicode.Scalar(
        UInt32.random(in: 0..<limits[Int.random(in: 0..<5, using: &random)], using: &random))
      {
        string.append(scalar)
      }
    }
    return String(string)
  }
}
