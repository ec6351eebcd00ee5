#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Glibc
#endif

/// What lies at a path.
package enum FileKind: Sendable {
  case folder, file, other

  /// What lies at `path`, links followed; nil if nothing does.
  package init?(_ path: String) {
    var status = stat()
    guard !path.utf8.contains(0), stat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: self = .folder
    case S_IFREG: self = .file
    default: self = .other
    }
  }

  /// Whether anything lies at `path`.
  package static func exists(_ path: String) -> Bool { FileKind(path) != nil }
}
