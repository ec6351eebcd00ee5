import Blockwise
import Foundation

/// Text from files and standard input, byte for byte.
enum TextInput {
  /// All of standard input. Says so on a terminal, where the program would otherwise seem to hang.
  static func standardInput() throws -> [UInt8] {
    if isatty(STDIN_FILENO) == 1 { StandardStream.error.note("Type the input and end it with Ctrl-D.") }
    return try read(STDIN_FILENO, name: "standard input")
  }

  /// All of a file; `-` is standard input.
  static func file(_ path: String) throws -> [UInt8] {
    if path == "-" { return try standardInput() }
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else {
      throw StreamError.cannotRead(file: path, reason: String(cString: strerror(errno)))
    }
    defer { close(descriptor) }
    return try read(descriptor, name: path)
  }

  /// The bytes as text.
  /// - Throws: when they are no UTF-8.
  static func text(_ bytes: [UInt8], from source: String) throws -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw StreamError.cannotRead(file: source, reason: "it is not valid UTF-8")
    }
    return text
  }

  /// Lines, ended as any system ends them, but not at the other separators of Unicode, which may stand within a text.
  static func lines(_ text: String) -> [Substring] {
    text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
  }

  /// More than any prompt; an endless stream must not fill the memory.
  private static let byteLimit = 256 << 20

  private static func read(_ descriptor: Int32, name: String) throws -> [UInt8] {
    var result: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Foundation.read(descriptor, &chunk, chunk.count)
      if count == 0 { return result }
      if count > 0 {
        result += chunk[..<count]
        guard result.count <= byteLimit else {
          throw StreamError.cannotRead(file: name, reason: "it holds more than \(byteLimit >> 20) MiB")
        }
      } else if errno != EINTR {
        throw StreamError.cannotRead(file: name, reason: String(cString: strerror(errno)))
      }
    }
  }
}
