public import Blockwise
internal import Foundation

/// The passes of one answer, recorded on one model to be replayed on another.
public struct PassTrace: Sendable, Hashable {
  /// How the answer was decoded, e.g. `ar` or a recipe.
  public var method: String
  /// New tokens.
  public var tokenCount: Int
  /// The passes after the prompt.
  public var passes: [PassShape]

  /// A trace.
  public init(method: String, tokenCount: Int, passes: [PassShape]) {
    self.method = method
    self.tokenCount = tokenCount
    self.passes = passes
  }

  /// One line of a trace file.
  public var json: JSONValue {
    [
      "method": .string(method), "tokens": .integer(Int64(tokenCount)),
      "passes": .array(
        passes.map {
          [.integer(Int64($0.contextCount)), .integer(Int64($0.rowCount)), .integer(Int64($0.outputCount))]
        }),
    ]
  }

  private static let limit = 1 << 20

  /// Reads a file of such lines.
  /// - Throws: ``TraceError`` with the number of the line.
  public static func load(_ path: String) throws -> [PassTrace] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw TraceError(file: path, line: 0, reason: "the file cannot be read")
    }
    var traces: [PassTrace] = []
    for (index, line) in data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      .enumerated()
    where !line.isEmpty {
      func refuse(_ reason: String) -> TraceError { TraceError(file: path, line: index + 1, reason: reason) }
      do {
        let json = try JSONValue(parsing: [UInt8](line))
        let passes = try json.array("passes").map { pass -> PassShape in
          let numbers = (pass.arrayValue ?? []).compactMap(\.integerValue)
          guard numbers.count == 3, (0...limit).contains(numbers[0]), (1...limit).contains(numbers[1]),
            (0...numbers[1]).contains(numbers[2])
          else { throw refuse("a pass is [context, rows, outputs], found \(pass.summary)") }
          return PassShape(contextCount: numbers[0], rowCount: numbers[1], outputCount: numbers[2])
        }
        let count = try json.integer("tokens")
        guard count >= 0 else { throw refuse("tokens is \(count)") }
        traces.append(PassTrace(method: try json.string("method"), tokenCount: count, passes: passes))
      } catch let error as TraceError {
        throw error
      } catch {
        throw refuse("\(error)")
      }
    }
    guard !traces.isEmpty else { throw TraceError(file: path, line: 0, reason: "it holds no trace") }
    return traces
  }
}

/// A file of traces that cannot be replayed.
public struct TraceError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The file.
  public var file: String
  /// The line, from 1; 0 for all of it.
  public var line: Int
  /// What is wrong.
  public var reason: String

  /// Where and what.
  public var description: String { line > 0 ? "\(file), line \(line): \(reason)" : "\(file): \(reason)" }
}
