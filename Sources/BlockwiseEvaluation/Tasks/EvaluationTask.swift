public import Blockwise
public import BlockwiseFiles
internal import Foundation

/// A held-out question with the rule that judges answers to it.
public struct EvaluationTask: Sendable {
  /// Its name, such as `list/copy/7`.
  public var id: String
  /// The task that it is an instance of, such as `list/copy`; what stands before the first `/` is the group.
  public var name: String
  /// The conversation up to the question.
  public var messages: [ChatMessage]
  /// Functions that are offered, an array as chat services take it; nil for none.
  public var tools: JSONValue?
  /// The rule.
  public var check: TaskCheck

  /// The group of the task.
  public var group: String { String(name.prefix { $0 != "/" }) }

  /// Reads one line of a file of tasks.
  /// - Throws: ``BlockwiseFiles/JSONKeyError``.
  public init(_ json: JSONValue) throws(JSONKeyError) {
    id = try json.string("id")
    name = try json.string("task")
    var messages: [ChatMessage] = []
    for message in try json.array("messages") { messages.append(try ChatMessage(message)) }
    self.messages = messages
    tools = try json.arrayIfPresent("tools").map { .array($0) }
    check = try TaskCheck(.object(try json.object("check")))
  }

  /// The tasks of a file of JSON lines. Lines without a `check` are texts for other purposes and are left out.
  /// - Throws: ``TaskFileError``.
  public static func load(file path: String) throws(TaskFileError) -> [EvaluationTask] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw TaskFileError(path: path, line: nil, problem: "it cannot be read")
    }
    var tasks: [EvaluationTask] = []
    let lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() where !line.allSatisfy({ $0 == UInt8(ascii: "\r") }) {
      do {
        let json = try JSONValue(parsing: Array(line))
        if try json.value("check") != nil { tasks.append(try EvaluationTask(json)) }
      } catch {
        throw TaskFileError(path: path, line: index + 1, problem: "\(error)")
      }
    }
    return tasks
  }

  /// The tasks of a file, or of all `.jsonl` files of a folder in alphabetical order.
  /// - Throws: ``TaskFileError``.
  public static func load(_ path: String) throws(TaskFileError) -> [EvaluationTask] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
      return try load(file: path)
    }
    var tasks: [EvaluationTask] = []
    for name in names.sorted() where name.hasSuffix(".jsonl") { tasks += try load(file: path + "/" + name) }
    guard !tasks.isEmpty else {
      throw TaskFileError(path: path, line: nil, problem: "there are no tasks in it")
    }
    return tasks
  }
}

/// A file of tasks that cannot be used.
public struct TaskFileError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The file or folder.
  public var path: String
  /// The line, counted from 1; nil for the file as a whole.
  public var line: Int?
  /// What is wrong.
  public var problem: String

  /// Names a place and what is wrong there.
  public init(path: String, line: Int?, problem: String) {
    self.path = path
    self.line = line
    self.problem = problem
  }

  /// Place and problem.
  public var description: String { path + (line.map { ":\($0)" } ?? "") + ": " + problem }
}
