#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Glibc
#endif

/// A regular file mapped into memory, read-only, for as long as the object lives.
///
/// The size is read once, when the file is opened, and every access is checked against it. A file that somebody
/// truncates afterwards ends the process with a bus error at the next access beyond its new end: model files must
/// not be cut while they are in use (replacing them by renaming is safe).
///
/// Unchecked `Sendable`: the mapping never changes and nobody writes to it.
package final class MappedFile: @unchecked Sendable {
  /// The path it was opened by, for error messages.
  package let path: String
  /// The file's bytes.
  package let bytes: UnsafeRawBufferPointer

  /// Opens and maps a file. An empty file is mapped to no bytes.
  ///
  /// - Throws: ``ModelFileError/cannotOpen(path:reason:)``, also for directories, pipes and devices.
  package init(path: String) throws(ModelFileError) {
    guard !path.utf8.contains(0) else {
      throw .cannotOpen(path: path, reason: "the path contains a NUL character")
    }
    // Without O_NONBLOCK, opening a pipe would wait for its other end.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .cannotOpen(path: path, reason: MappedFile.reason(errno)) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .cannotOpen(path: path, reason: MappedFile.reason(errno))
    }
    let kind = status.st_mode & S_IFMT
    guard kind == S_IFREG else {
      throw .cannotOpen(
        path: path, reason: kind == S_IFDIR ? "it is a directory" : "it is not a regular file")
    }
    guard let size = Int(exactly: status.st_size), size >= 0 else {
      throw .cannotOpen(path: path, reason: "its size of \(status.st_size) bytes cannot be addressed")
    }
    self.path = path
    guard size > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
      throw .cannotOpen(path: path, reason: "mapping \(size) bytes: \(MappedFile.reason(errno))")
    }
    bytes = UnsafeRawBufferPointer(start: base, count: size)
  }

  deinit {
    if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
  }

  /// Gives the memory of the whole pages inside `range` back to the system; reading them again reads the file.
  package func release(_ range: Range<Int>) {
    advise(range, outward: false, MADV_DONTNEED)
  }

  /// Asks the system to read `range` ahead.
  package func willNeed(_ range: Range<Int>) {
    advise(range, outward: true, MADV_WILLNEED)
  }

  private func advise(_ range: Range<Int>, outward: Bool, _ advice: Int32) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let range = range.clamped(to: 0..<bytes.count)
    guard let base = bytes.baseAddress, page > 0 else { return }
    let start = (outward ? range.lowerBound : range.lowerBound + page - 1) / page * page
    let end = range.upperBound == bytes.count || outward ? range.upperBound : range.upperBound / page * page
    // Advice only: what cannot be followed costs memory or time, nothing else.
    if start < end { _ = madvise(UnsafeMutableRawPointer(mutating: base + start), end - start, advice) }
  }

  static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
