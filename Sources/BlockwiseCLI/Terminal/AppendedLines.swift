import Blockwise
import Foundation

/// A file that grows by whole lines, each of them on the disk before the next one comes: what is there when a command is ended early can be
/// gone on with.
final class AppendedLines {
  private let path: String
  private let handle: FileHandle

  /// Opens or creates a file.
  /// - Parameter kept: bytes that are whole lines; half a line behind them is cut off.
  init(path: String, kept: Int) throws {
    self.path = path
    if !FileManager.default.fileExists(atPath: path) {
      guard FileManager.default.createFile(atPath: path, contents: nil) else {
        throw ModelFileError.cannotWrite(path: path, reason: "it cannot be created")
      }
    }
    guard let handle = FileHandle(forWritingAtPath: path) else {
      throw ModelFileError.cannotWrite(path: path, reason: "it cannot be opened for writing")
    }
    self.handle = handle
    do {
      try handle.truncate(atOffset: UInt64(kept))
      _ = try handle.seekToEnd()
    } catch {
      throw ModelFileError.cannotWrite(path: path, reason: "\(error.localizedDescription)")
    }
  }

  /// Appends a line.
  /// - Parameter line: without its end.
  func append(_ line: String) throws {
    do {
      try handle.write(contentsOf: Data((line + "\n").utf8))
    } catch {
      throw ModelFileError.cannotWrite(path: path, reason: "\(error.localizedDescription)")
    }
  }
}
