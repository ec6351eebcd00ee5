import BlockwiseEvaluation
import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

@Suite struct TaskCheckTests {
  static let shippedTasks = SharedData.packageFolder + "/Models/tasks"

  private static func check(_ json: String) throws -> TaskCheck {
    try TaskCheck(try JSONValue(parsing: json))
  }

  @Test func `lists are judged as in the recipes`() throws {
    let cases: [(rule: String, item: String, answer: String, isRight: Bool)] = [
      ("equal", "", #"["a", "b", "c"]"#, true), ("equal", "", "[a, b, c]", true),
      ("equal", "", #"["a", "c", "b"]"#, false), ("equal", "", #"["x"] no: ["a", "b", "c"] done"#, true),
      ("equal", "", "a, b, c", false), ("equal", "", "['a', 'b','c'", true),
      ("shuffle", "", #"["a", "b", "c"]"#, false), ("shuffle", "", #"["b", "a", "c"]"#, true),
      ("shuffle", "", #"["b", "a"]"#, false), ("insert_any", "x", #"["a", "x", "b", "c"]"#, true),
      ("insert_any", "x", #"["x", "a", "x", "b", "c"]"#, false),
      ("insert_any", "x", #"["a", "b", "c"]"#, false),
      ("remove_any", "", #"["a", "c"]"#, true), ("remove_any", "", #"["a"]"#, false),
      ("remove_any", "", #"["c", "a"]"#, false), ("replace_any", "x", #"["a", "x", "c"]"#, true),
      ("replace_any", "x", #"["x", "x", "c"]"#, false), ("replace_any", "x", #"["a", "b", "c"]"#, false),
      ("remove_any", "", "[]", false), ("equal", "", "[]", false),
    ]
    for (rule, item, answer, isRight) in cases {
      let list = #"["a", "b", "c"]"#
      let check = try Self.check(
        #"{"kind": "list", "rule": "\#(rule)", "input": \#(list), "expected": \#(list), "item": "\#(item)"}"#)
      #expect(check.accepts(answer) == isRight, "\(rule): \(answer)")
    }
    for strict in [#"["a", "b"]"#, "[]", #" ["a b"] "#] { #expect(ListCheck.isStrict(strict), "\(strict)") }
    for loose in [#"["a","b"]"#, "[a, b]", #""a", "b""#, #"["a" "b"]"#, #"["a", "b"]."#, "[", "", #"["]"#] {
      #expect(!ListCheck.isStrict(loose), "\(loose)")
    }
  }

  @Test func `latin squares, numbers and calls`() throws {
    let square = try Self.check(#"{"kind": "latin_square", "symbols": ["A", "B", "C", "D"]}"#)
    let good = "A,B,C,D\nB,A,D,C\nC,D,A,B\nD,C,B,A"
    #expect(square.accepts(good) && square.accepts("Here it is:\n" + good) && square.accepts(good + "\nA"))
    #expect(!square.accepts("A,B,C,D\nA,B,C,D\nC,D,A,B\nD,C,B,A") && !square.accepts("A,B,C,D"))

    let number = try Self.check(#"{"kind": "number", "expected": -7}"#)
    #expect(number.accepts("1 - 8 = -7\nAnswer: -7") && number.accepts("Answer: 3\nAnswer:   -7."))
    #expect(!number.accepts("Answer: -7\nAnswer: 8") && !number.accepts("-7"))
    #expect(!number.accepts("Answer: -99999999999999999999999"))

    let call = try Self.check(#"{"kind": "tool_call", "name": "f", "arguments": {"a": 1}}"#)
    #expect(call.accepts("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>"))
    #expect(!call.accepts("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 2}}\n</tool_call>"))
    #expect(!call.accepts("{\"name\": \"f\", \"arguments\": {\"a\": 1}}") && !call.accepts("<tool_call>"))
  }

  @Test func `JSON is compared by value and checked against schemas`() throws {
    let same = try Self.check(#"{"kind": "json", "expected": {"a": 1, "b": [true]}}"#)
    for (answer, isRight) in [
      (#"{"b": [true], "a": 1.0}"#, true), (#"{"a": 1, "b": [1]}"#, false), (#"{"a": 1}"#, false),
      ("{", false),
      (#"{"a": 2, "a": 1, "b": [true]}"#, false), (#"{"a": 1, "b": [true]} x"#, false), ("", false),
    ] { #expect(same.accepts(answer) == isRight, "\(answer)") }

    let schema = try Self.check(
      #"""
      {"kind": "json", "facts": {"e": "x"}, "schema": {"type": "object", "required": ["n", "e"], "properties":
      {"n": {"type": "integer", "minimum": 2, "maximum": 5}, "e": {"type": "string", "enum": ["x", "z"]},
       "l": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2}}}}
      """#)
    for (answer, isRight) in [
      (#"{"n": 3, "e": "x"}"#, true), (#"{"n": 3.0, "e": "x", "other": null}"#, true),
      (#"{"n": 6, "e": "x"}"#, false),
      (#"{"n": true, "e": "x"}"#, false), (#"{"n": 3, "e": "y"}"#, false), (#"{"n": 3, "e": "z"}"#, false),
      (#"{"n": 3}"#, false), ("[]", false), (#"{"n": 3, "e": "x", "l": [true]}"#, true),
      (#"{"n": 3, "e": "x", "l": []}"#, false), (#"{"n": 3, "e": "x", "l": [1]}"#, false),
      (#"{"n": 3.5, "e": "x"}"#, false), (#"{"n": 3, "e": "x", "l": [true, false, true]}"#, false),
    ] { #expect(schema.accepts(answer) == isRight, "\(answer)") }
  }

  @Test func `the answers that come with the tasks are right, and those of their neighbours rarely`() throws {
    let tasks = try EvaluationTask.load(Self.shippedTasks)
    var answers: [String: String] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: Self.shippedTasks)
    where name.hasSuffix(".jsonl") {
      for line in try String(contentsOfFile: Self.shippedTasks + "/" + name, encoding: .utf8).split(
        separator: "\n")
      {
        let json = try JSONValue(parsing: String(line))
        answers[try json.string("id")] = try json.stringIfPresent("answer")
      }
    }
    let judged = tasks.filter { !$0.check.needsCode }
    #expect(judged.count > 500 && Set(judged.map(\.group)).count >= 6)
    var accidents = 0
    for (task, next) in zip(judged, judged.dropFirst()) {
      let answer = try #require(answers[task.id])
      #expect(task.check.accepts(answer), "\(task.id): \(answer)")
      if task.check.accepts(answers[next.id] ?? "") { accidents += 1 }
      #expect(!task.check.accepts(""), "\(task.id)")
    }
    #expect(accidents < judged.count / 10, "\(accidents) of \(judged.count)")
  }

  @Test func `unknown rules and broken lines are refused by place`() throws {
    let folder = try TemporaryFolder()
    let good =
      #"{"id": "a/1", "task": "a", "messages": [{"role": "user", "content": "x"}], "check": {"kind": "text", "expected": "y"}}"#
    for bad in [
      "{", #"{"id": 1, "check": {}}"#, good.replacing("text\"", with: "magic\""),
      good.replacing("\"y\"", with: "3"),
      good.replacing(#"[{"role": "user", "content": "x"}]"#, with: "7"),
    ] {
      let path = folder.path + "/tasks.jsonl"
      try (good + "\n\n" + bad + "\r\n").write(toFile: path, atomically: true, encoding: .utf8)
      let error = try #require(throws: TaskFileError.self) { try EvaluationTask.load(folder.path) }
      #expect(error.line == 3 && error.path == path, "\(error)")
    }
    #expect(throws: TaskFileError.self) { try EvaluationTask.load(folder.path + "/nothing") }
    let empty = try TemporaryFolder()
    #expect(throws: TaskFileError.self) { try EvaluationTask.load(empty.path) }
  }
}
