/// Why a recipe was refused; points at the word.
public struct RecipeError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The whole text.
  public var recipe: String
  /// The characters of it that are wrong.
  public var range: Range<Int>
  /// What is wrong with them and what would be right.
  public var reason: String
  /// Whether a file that the recipe names is at fault, and not the recipe.
  public var isFileProblem = false

  /// The reason, and the recipe with a mark under the word.
  public var description: String {
    let mark =
      String(repeating: " ", count: range.lowerBound) + String(repeating: "^", count: max(1, range.count))
    return "\(reason)\n  \(recipe)\n  \(mark)"
  }
}

/// What a policy finds wrong with its parameters.
struct PolicyProblem: Error {
  /// Which parameter; nil for all of them together.
  var parameter: Int?
  var reason: String
}
