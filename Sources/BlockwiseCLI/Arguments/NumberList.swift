import ArgumentParser

/// Whole numbers as text: `1,2,4,8`.
enum NumberList {
  static func parse(_ text: String) throws -> [Int] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map { word in
      guard let number = Int(word), number >= 0 else {
        throw ValidationError("'\(word)' is not a whole number; write a list as 1,2,4")
      }
      return number
    }
  }
}
