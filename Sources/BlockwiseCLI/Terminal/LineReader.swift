import Foundation

/// Reads standard input line by line as it arrives, and refuses what is no text instead of repairing it.
struct LineReader {
  /// Lines so far.
  private(set) var number = 0
  private var buffer: [UInt8] = []
  private var isAtEnd = false

  /// The next line without its end, or nil behind the last one.
  mutating func next() throws -> String? {
    var searched = 0
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        var line = buffer[..<end]
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        let text = try text(line)
        buffer.removeFirst(end + 1)
        return text
      }
      if isAtEnd {
        if buffer.isEmpty { return nil }
        let text = try text(buffer[...])
        buffer = []
        return text
      }
      searched = buffer.count
      try fill()
    }
  }

  private mutating func text(_ line: ArraySlice<UInt8>) throws -> String {
    number += 1
    guard !line.contains(0) else {
      throw UsageError("line \(number) of standard input contains a NUL character")
    }
    guard let text = String(validating: line, as: UTF8.self) else {
      throw UsageError("line \(number) of standard input is not valid UTF-8")
    }
    return text
  }

  private mutating func fill() throws {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(STDIN_FILENO, &chunk, chunk.count)
      if count >= 0 {
        isAtEnd = count == 0
        buffer += chunk[..<count]
        return
      }
      guard errno == EINTR else {
        throw StreamError.cannotRead(file: "standard input", reason: String(cString: strerror(errno)))
      }
    }
  }
}
