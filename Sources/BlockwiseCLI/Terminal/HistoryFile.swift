import BlockwiseFiles
import Foundation

/// Texts that were typed in earlier sessions: one JSON string per line, in the user's cache folder.
package struct HistoryFile {
  /// Where it is.
  package let path: String
  /// Texts that are kept.
  static let limit = 1000

  /// A history at a path.
  package init(path: String) { self.path = path }

  /// `$XDG_CACHE_HOME/blockwise/chat-history`, else `~/.cache/blockwise/chat-history`; nil without a home.
  static func standard(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> HistoryFile?
  {
    CacheFolder.path(environment).map { HistoryFile(path: $0 + "/chat-history") }
  }

  /// The texts, the oldest first. Lines that are none are left out; a file that cannot be read is empty.
  package func read() -> [String] {
    guard let data = FileManager.default.contents(atPath: path) else { return [] }
    var texts: [String] = []
    for line in [UInt8](data).split(separator: UInt8(ascii: "\n")) {
      guard case .string(let text)? = try? JSONValue(parsing: Array(line)) else { continue }
      texts.append(text)
    }
    if texts.count > 2 * Self.limit {
      // Now and then the file is cut down to what is used.
      texts = Array(texts.suffix(Self.limit))
      var bytes: [UInt8] = []
      for text in texts { bytes += JSONValue.string(text).bytes() + [UInt8(ascii: "\n")] }
      if var file = try? AtomicFile(path: path), (try? file.write(bytes)) != nil {
        try? file.finish()
        chmod(path, 0o600)
      }
    }
    return texts.suffix(Self.limit)
  }

  /// Adds a text. Only the user can read the file.
  package func append(_ text: String) throws {
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o700])
    let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw ModelFileError.cannotWrite(path: path, reason: String(cString: strerror(errno)))
    }
    defer { close(descriptor) }
    let bytes = JSONValue.string(text).bytes() + [UInt8(ascii: "\n")]
    // One write for one line: other sessions append to the same file.
    guard Foundation.write(descriptor, bytes, bytes.count) == bytes.count else {
      throw ModelFileError.cannotWrite(path: path, reason: String(cString: strerror(errno)))
    }
  }
}
