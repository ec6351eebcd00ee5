import Blockwise
import Foundation

/// Places of files that a command writes in the end.
enum WritablePlace {
  /// Refuses a place that cannot be written to before anything takes time.
  /// - Throws: ``ModelFileError/cannotWrite(path:reason:)``.
  static func check(_ path: String) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      throw ModelFileError.cannotWrite(path: path, reason: "it is a folder")
    }
    guard FileManager.default.isWritableFile(atPath: folder) else {
      throw ModelFileError.cannotWrite(
        path: path, reason: "its folder does not exist or cannot be written to")
    }
  }
}
