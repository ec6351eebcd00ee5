import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

@Suite(
  .enabled(
    if: CommandLineTool.isBuilt && CommandLineTool.model("qwen2") != nil,
    "the program blockwise or the model fixtures are missing"))
struct EvalTests {
  private static func model(_ name: String) throws -> String { try #require(CommandLineTool.model(name)) }

  @Test func `perplexity of files, lines and JSON lines`() throws {
    let folder = try TemporaryFolder()
    let (text, lines) = (folder.path + "/a.txt", folder.path + "/b.jsonl")
    try "The cat sat.\nThe dog ran.\n".write(toFile: text, atomically: true, encoding: .utf8)
    try "{\"text\": \"The cat sat.\"}\n{\"id\": 7, \"text\": \"The dog ran.\"}\n"
      .write(toFile: lines, atomically: true, encoding: .utf8)
    let arguments = ["eval", "perplexity", "--model", try Self.model("llama"), "--json"]
    let whole = try CommandLineTool.run(arguments + [text])
    let apart = try CommandLineTool.run(arguments + [text, "--lines"])
    let listed = try CommandLineTool.run(arguments + [lines])
    for output in [whole, apart, listed] { try #require(output.code == 0, "\(output.errors)") }
    #expect(try whole.json().integer("documents") == 1 && whole.json().integer("bytes") == 26)
    #expect(try apart.json().integer("documents") == 2 && apart.json().integer("bytes") == 24)
    #expect(try apart.json().number("loss") == listed.json().number("loss"))
    #expect(try whole.json().string("mode") == "autoregressive" && !whole.json().bool("is_bound"))
    #expect(try whole.json().number("perplexity") > 1)
    // As other systems end lines and begin files.
    try "\u{FEFF}The cat sat.\r\n\r\nThe dog ran.\r\n".write(toFile: text, atomically: true, encoding: .utf8)
    let foreign = try CommandLineTool.run(arguments + [text, "--lines"])
    #expect(try foreign.json().number("loss") == listed.json().number("loss"))
    // A separator of Unicode is no line end, and empty lines count.
    try "{\"text\": \"The cat\u{2028}sat.\"}\r\n\r\n{\"no\": 1}\n".write(
      toFile: lines, atomically: true, encoding: .utf8)
    let broken = try CommandLineTool.run(arguments + [lines])
    #expect(broken.code == 1 && broken.errors.contains("b.jsonl:3:"), "\(broken.errors)")
    let table = try CommandLineTool.run([
      "eval", "perplexity", "--model", try Self.model("llada"), "--draws", "2", text,
    ])
    #expect(table.code == 0 && table.text.contains("upper bound") && table.text.contains("bits per byte"))
  }

  @Test func `texts and windows that cannot be scored are refused`() throws {
    let arguments = ["eval", "perplexity", "--model", try Self.model("llama")]
    let missing = try CommandLineTool.run(arguments + ["/nothing/here.txt"])
    #expect(missing.code == 1 && missing.errors.contains("/nothing/here.txt"))
    let empty = try CommandLineTool.run(arguments + ["-"])
    #expect(empty.code == 64 && empty.errors.contains("no text"))
    let stride = try CommandLineTool.run(arguments + ["--window", "8", "--stride", "9", "-"])
    #expect(stride.code == 64 && stride.errors.contains("stride"))
    let block = try CommandLineTool.run(
      ["eval", "perplexity", "--model", try Self.model("sdar"), "-"], input: [97])
    #expect(block.code == 1 && block.errors.contains("sdar"))
    let mode = try CommandLineTool.run(arguments + ["--mode", "masked", "-"], input: [97])
    #expect(mode.code == 1 && mode.errors.contains("llama"))
  }

  @Test func `tasks are asked, judged and counted`() throws {
    let folder = try TemporaryFolder()
    let (file, answers) = (folder.path + "/t.jsonl", folder.path + "/answers.jsonl")
    var lines = ""
    for (id, check) in [
      ("a/x/1", #"{"kind": "text", "expected": "no model says this"}"#),
      ("a/x/2", #"{"kind": "number", "expected": 7}"#),
      ("b/y/1", #"{"kind": "list", "rule": "equal", "expected": ["no"]}"#),
      ("c/z/1", #"{"kind": "python", "tests": []}"#),
    ] {
      lines +=
        #"{"id": "\#(id)", "task": "\#(id.dropLast(2))", "messages": [{"role": "user", "content": "Hi"}], "check": \#(check)}"#
      lines += "\n"
    }
    lines += #"{"id": "story/1", "task": "story", "text": "no question"}"#
    try lines.write(toFile: file, atomically: true, encoding: .utf8)
    let arguments = [
      "eval", "tasks", "--model", try Self.model("qwen2"), "--tasks", file, "--max-tokens", "4",
    ]
    let output = try CommandLineTool.run(arguments + ["--json", "--answers", answers])
    try #require(output.code == 0, "\(output.errors)")
    let json = try output.json()
    #expect(
      try json.array("tasks").map { try "\($0.string("task")) \($0.integer("questions"))" } == [
        "a/x 2", "b/y 1",
      ])
    #expect(try json.integer("skipped") == 1 && json.number("mean_accuracy") == 0)
    #expect(output.errors.contains("--run-code"))
    let written = try String(contentsOfFile: answers, encoding: .utf8).split(separator: "\n")
    #expect(written.count == 3)
    #expect(try JSONValue(parsing: String(written[2])).string("id") == "b/y/1")
    let table = try CommandLineTool.run(arguments + ["--group", "a", "--limit", "1"])
    #expect(table.code == 0 && table.text.contains("a/x") && !table.text.contains("b/y"))
    let unknown = try CommandLineTool.run(arguments + ["--group", "d"])
    #expect(unknown.code == 64 && unknown.errors.contains("a, b, c"))
    let plain = try CommandLineTool.run([
      "eval", "tasks", "--model", try Self.model("mistral"), "--tasks", file,
    ])
    #expect(plain.code == 1 && plain.errors.contains("a/x/1"))
    let programs = try CommandLineTool.run(arguments + ["--group", "c"])
    #expect(programs.code == 64 && programs.errors.contains("--run-code"))
  }
}
