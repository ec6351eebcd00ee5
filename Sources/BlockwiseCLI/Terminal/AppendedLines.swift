import Blockwise
import Foundation

/// A file that grows by whole lines, each of them written before the next one comes: what is there when a command is ended early can be
/// gone on with. Nothing is touched before the first line.
final class AppendedLines {
  private let path: String
  private let kept: Int
  private var handle: FileHandle?

  /// - Parameter kept: bytes of an existing file that are whole lines; half a line behind them is cut off.
  init(path: String, kept: Int) {
    self.path = path
    self.kept = kept
  }

  /// Appends a line.
  /// - Parameter line: without its end.
  /// - Throws: ``ModelFileError/cannotWrite(path:reason:)``.
  func append(_ line: String) throws {
    do {
      try opened().write(contentsOf: Data((line + "\n").utf8))
    } catch let error as ModelFileError {
      throw error
    } catch {
      throw ModelFileError.cannotWrite(path: path, reason: error.localizedDescription)
    }
  }

  private func opened() throws -> FileHandle {
    if let handle { return handle }
    if !FileManager.default.fileExists(atPath: path) {
      guard FileManager.default.createFile(atPath: path, contents: nil) else {
        throw ModelFileError.cannotWrite(path: path, reason: "it cannot be created")
      }
    }
    guard let handle = FileHandle(forWritingAtPath: path) else {
      throw ModelFileError.cannotWrite(path: path, reason: "it cannot be opened for writing")
    }
    try handle.truncate(atOffset: UInt64(kept))
    _ = try handle.seekToEnd()
    self.handle = handle
    return handle
  }
}
