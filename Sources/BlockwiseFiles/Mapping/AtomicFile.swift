#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Glibc
#endif

/// A file that appears at its path whole or not at all.
///
/// Bytes go to a new file beside the path; ``finish()`` flushes it to the disk and renames it. Without that, or after
/// an error, the new file is removed and whatever was at the path stays.
package struct AtomicFile: ~Copyable {
  private let path: String
  private let partialPath: String
  private var descriptor: Int32

  /// Creates the partial file.
  ///
  /// - Parameters:
  ///   - expectedByteCount: what will be written: refused at once when the disk has less room.
  ///   - isPrivate: only the user can read the file.
  /// - Throws: ``ModelFileError/cannotWrite(path:reason:)``.
  package init(
    path: String, expectedByteCount: Int = 0, isPrivate: Bool = false
  ) throws(ModelFileError) {
    guard !path.utf8.contains(0), !path.isEmpty else {
      throw .cannotWrite(path: path, reason: "the path is empty or contains a NUL character")
    }
    if FileKind(path) == .folder { throw .cannotWrite(path: path, reason: "it is a directory") }
    if FileKind(path) == .other {
      throw .cannotWrite(path: path, reason: "it is no regular file, and renaming over it would replace it")
    }
    let partialPath = "\(path).partial-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    let descriptor = open(partialPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, isPrivate ? 0o600 : 0o666)
    guard descriptor >= 0 else { throw .cannotWrite(path: path, reason: MappedFile.reason(errno)) }
    var space = statvfs()
    if fstatvfs(descriptor, &space) == 0 {
      let (free, overflow) = UInt64(space.f_bavail).multipliedReportingOverflow(by: UInt64(space.f_frsize))
      if !overflow, free < UInt64(max(0, expectedByteCount)) {
        close(descriptor)
        unlink(partialPath)
        throw .cannotWrite(
          path: path, reason: "\(expectedByteCount) bytes are needed and \(free) bytes are free on the disk")
      }
    }
    self.path = path
    self.partialPath = partialPath
    self.descriptor = descriptor
  }

  deinit {
    if descriptor >= 0 {
      close(descriptor)
      unlink(partialPath)
    }
  }

  /// Appends bytes.
  package mutating func write(_ bytes: [UInt8]) throws(ModelFileError) {
    let result = bytes.withUnsafeBytes { buffer in
      Result { () throws(ModelFileError) in try write(buffer) }
    }
    try result.get()
  }

  /// Appends bytes.
  package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(ModelFileError) {
    var done = 0
    while done < bytes.count {
      // `self.write` would be found before the system's function.
      let count = systemWrite(descriptor, UnsafeRawBufferPointer(rebasing: bytes[done...]))
      let code = errno
      if count < 0 {
        if code == EINTR { continue }
        throw .cannotWrite(path: path, reason: MappedFile.reason(code))
      }
      done += count
    }
  }

  /// Flushes the file and moves it to its path.
  package consuming func finish() throws(ModelFileError) {
    guard fsync(descriptor) == 0 else { throw .cannotWrite(path: path, reason: MappedFile.reason(errno)) }
    guard rename(partialPath, path) == 0 else {
      throw .cannotWrite(path: path, reason: MappedFile.reason(errno))
    }
    let finished = descriptor
    descriptor = -1
    // Everything is on the disk already, so an error here has nothing left to lose.
    close(finished)
  }
}

private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
  // Some systems refuse more than 2 GiB at once.
  write(descriptor, bytes.baseAddress, min(bytes.count, 1 << 30))
}
