/// Reads the text form of a recipe: words `slot=policy(values)` between spaces, behind the name of a preset or without one.
struct RecipeParser {
  /// One word with its place in the text.
  struct Word {
    var text: Substring
    var start: Int
    var range: Range<Int> { start..<start + text.count }
  }

  let recipe: String

  func words() -> [Word] {
    var words: [Word] = []
    var start = 0
    for part in recipe.split(separator: " ", omittingEmptySubsequences: false) {
      if !part.isEmpty { words.append(Word(text: part, start: start)) }
      start += part.count + 1
    }
    return words
  }

  func error(_ range: Range<Int>, _ reason: String) -> RecipeError {
    RecipeError(recipe: recipe, range: range, reason: reason)
  }

  /// Splits `slot=value`; the place of the value comes along.
  func assignment(_ word: Word) throws(RecipeError) -> (slot: String, value: Word) {
    guard let sign = word.text.firstIndex(of: "=") else {
      throw error(
        word.range, "expected slot=policy, such as commit=threshold(0.9), or first the name of a preset")
    }
    let slot = word.text[..<sign]
    let value = word.text[word.text.index(after: sign)...]
    return (String(slot), Word(text: value, start: word.start + slot.count + 1))
  }

  /// Makes the policy that a value names.
  /// - Parameters:
  ///   - known: the policies of the slot.
  ///   - missing: names of published ones that are not built, with the reason.
  func policy(
    _ value: Word, slot: String, known: [any RecipePolicy.Type], missing: [String: String]
  ) throws(RecipeError) -> any RecipePolicy {
    let open = value.text.firstIndex(of: "(")
    let name = String(open.map { value.text[..<$0] } ?? value.text)
    let nameRange = value.start..<value.start + max(1, name.count)
    guard let type = Self.find(name, in: known) else {
      if let reason = missing[name] {
        throw error(nameRange, "\(slot)=\(name) is not part of this version: \(reason)")
      }
      let names = known.map { $0.name }.joined(separator: ", ")
      throw error(nameRange, "there is no \(slot)=\(name); possible: \(names)")
    }
    var arguments: [Word] = []
    if let open {
      guard value.text.last == ")" else { throw error(value.range, "the parenthesis is not closed") }
      let inner = value.text[value.text.index(after: open)...].dropLast()
      arguments = Self.split(inner, start: value.start + name.count + 1)
    }
    let values = try read(arguments, parameters: type.parameters, of: name, at: value)
    switch Self.make(type, values) {
    case .success(let policy): return policy
    case .failure(let problem):
      guard let known = problem as? PolicyProblem else {
        var error = error(value.range, "\(problem)")
        error.isFileProblem = true
        throw error
      }
      let index = known.parameter ?? arguments.count
      throw error(index < arguments.count ? arguments[index].range : value.range, known.reason)
    }
  }

  private func read(
    _ arguments: [Word], parameters: [PolicyParameter], of name: String, at value: Word
  ) throws(RecipeError) -> [PolicyValue] {
    if arguments.count > parameters.count {
      let names = parameters.map { $0.name }.joined(separator: ", ")
      throw error(
        arguments[parameters.count].range, "\(name) takes \(parameters.isEmpty ? "no values" : names)")
    }
    var values: [PolicyValue] = []
    for (index, parameter) in parameters.enumerated() {
      if index < arguments.count {
        guard let found = parameter.value(String(arguments[index].text)) else {
          throw error(
            arguments[index].range,
            "\(parameter.name) of \(name) is \"\(arguments[index].text)\", expected \(parameter.expectation)")
        }
        values.append(found)
      } else if let fallback = parameter.fallback {
        values.append(fallback)
      } else {
        throw error(value.range, "\(name) needs \(parameter.name), \(parameter.expectation)")
      }
    }
    return values
  }

  private static func find(_ name: String, in known: [any RecipePolicy.Type]) -> (any RecipePolicy.Type)? {
    for type in known where type.name == name { return type }
    return nil
  }

  private static func split(_ text: Substring, start: Int) -> [Word] {
    guard !text.isEmpty else { return [] }
    var words: [Word] = []
    var start = start
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      words.append(Word(text: part, start: start))
      start += part.count + 1
    }
    return words
  }

  private static func make(
    _ type: any RecipePolicy.Type, _ values: [PolicyValue]
  ) -> Result<any RecipePolicy, any Error> {
    Result { try type.init(values) }
  }
}
