import BlockwiseFiles
import BlockwiseTestSupport
import Foundation
import Testing

/// The built program, run as a user runs it.
struct CommandLineTool {
  struct Output {
    var code: Int32
    var bytes: [UInt8]
    var errors: String

    var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Standard output as JSON; records an issue when it is none.
    func json() throws -> JSONValue { try JSONValue(parsing: bytes) }
  }

  /// `.build/<configuration>/blockwise`, beside the test bundle; nil when it was not built.
  static let path: String? = {
    // The test process itself lies in the folder of the products.
    guard let test = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") else {
      return nil
    }
    let folders = [
      URL(fileURLWithPath: test).deletingLastPathComponent().path,
      CommandLine.arguments.first.map { URL(fileURLWithPath: $0).deletingLastPathComponent().path } ?? "",
      packageFolder + "/.build/release", packageFolder + "/.build/debug",
    ]
    return folders.map { $0 + "/blockwise" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }()

  static var isBuilt: Bool { path != nil }

  static var packageFolder: String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
  }

  /// The model that comes with the repository.
  static let baseModel = packageFolder + "/Models/base/base.gguf"

  /// A tiny checkpoint in Hugging Face layout, or nil when there is none.
  static func model(_ name: String) -> String? {
    [
      packageFolder + "/Tests/Fixtures/models/\(name)", packageFolder + "/Tests/Fixtures/\(name)",
      (SharedData.root ?? "") + "/parity/models/\(name)",
    ]
    .first { FileManager.default.fileExists(atPath: $0 + "/config.json") }
  }

  /// Runs the program with arguments and standard input, and waits for its end.
  static func run(
    _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:]
  ) throws -> Output {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(path))
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment
      .filter { !$0.key.hasPrefix("BLOCKWISE_") || $0.key == "BLOCKWISE_SHARED_DATA" }
      .merging(environment) { $1 }
    let (output, errors, standardInput) = (Pipe(), Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    process.standardInput = standardInput
    // Inputs and error texts of these tests fit into a pipe's buffer, so that nobody waits for the other.
    try process.run()
    try standardInput.fileHandleForWriting.write(contentsOf: input)
    try standardInput.fileHandleForWriting.close()
    let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
    let messages = try errors.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return Output(
      code: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
      bytes: Array(bytes), errors: String(decoding: messages, as: UTF8.self))
  }
}
