import Foundation

/// Standard output or standard error, written at once and in full.
struct StandardStream: Sendable {
  static let output = StandardStream(descriptor: STDOUT_FILENO)
  static let error = StandardStream(descriptor: STDERR_FILENO)

  private let descriptor: Int32

  /// Whether a person looks at it.
  var isTerminal: Bool { isatty(descriptor) == 1 }

  /// Writes all of the text.
  /// - Throws: ``StreamError``; the program ignores SIGPIPE, so a reader that went away shows up here.
  func write(_ text: String) throws(StreamError) { try write(Array(text.utf8)) }

  /// Writes all of the bytes.
  func write(_ bytes: [UInt8]) throws(StreamError) {
    var start = 0
    while start < bytes.count {
      let (count, code) = bytes.withUnsafeBytes { buffer in
        let count = Foundation.write(
          descriptor, buffer.baseAddress.map { $0 + start }, buffer.count - start)
        return (count, errno)
      }
      if count >= 0 {
        start += count
      } else if code == EPIPE {
        throw .readerGone
      } else if code != EINTR {
        throw .cannotWrite(String(cString: strerror(code)))
      }
    }
  }

  /// Writes a line; what cannot be said on standard error is not worth a failure.
  func note(_ line: String) { try? write(line + "\n") }
}

/// Why a standard stream cannot be used.
enum StreamError: Error, CustomStringConvertible {
  /// The program at the other end of the pipe has ended: no failure of ours.
  case readerGone
  case cannotWrite(String)
  case cannotRead(file: String, reason: String)

  var description: String {
    switch self {
    case .readerGone: "nobody reads standard output any more"
    case .cannotWrite(let reason): "standard output cannot be written: \(reason)"
    case .cannotRead(let file, let reason): "\(file) cannot be read: \(reason)"
    }
  }
}
