/// A pre-tokeniser regular expression that the module knows, implemented as a hand-written scanner.
///
/// Each pattern cuts any text into adjacent pieces without gaps. The alternatives are tried in the order written
/// in the expression and every quantifier is greedy with backtracking, as in the reference engines.
package enum SplitPattern: String, Sendable, CaseIterable {
  /// GPT-2 and everything that took its pattern over.
  case gpt2
  /// Llama 3, DBRX, Phi-4, Smaug: digits in groups of at most three.
  case llama3
  /// Qwen 2 and later: as Llama 3 with single digits.
  case qwen2
  /// Mistral Nemo and Small: words end where the case changes.
  case tekken
  /// The o200k family: as tekken, contractions stay with their word.
  case gpt4o
  /// Every number scalar alone, everything else untouched.
  case singleNumbers

  /// Recognises the expression as it stands in a tokenizer file.
  package init?(expression: String) {
    guard let known = Self.expressions[expression] else { return nil }
    self = known
  }

  private static let expressions: [String: SplitPattern] = {
    let fold = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    let spelled = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
    let spaces = #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
    let punctuation = #"| ?[^\s\p{L}\p{N}]+[\r\n]*"#
    let words = #"|[^\r\n\p{L}\p{N}]?\p{L}+"#
    let lower = #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"#
    let upper = #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"#
    let slashes = #"| ?[^\s\p{L}\p{N}]+[\r\n/]*"#
    let gpt2Words = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"#
    var table: [String: SplitPattern] = [
      gpt2Words: .gpt2,
      gpt2Words + #"|\s+"#: .gpt2,
      #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: .gpt2,
      lower + "|" + upper + #"|\p{N}"# + slashes + spaces: .tekken,
      lower + fold + "?|" + upper + fold + #"?|\p{N}{1,3}"# + slashes + spaces: .gpt4o,
      #"\p{N}"#: .singleNumbers,
    ]
    for contractions in [fold, spelled] {
      table[contractions + words + #"|\p{N}{1,3}"# + punctuation + spaces] = .llama3
      table[contractions + words + #"|\p{N}"# + punctuation + spaces] = .qwen2
    }
    return table
  }()

  /// Appends the pieces of `text[range]`, in order and without gaps, to `pieces`.
  ///
  /// - Parameter text: valid UTF-8; `range` begins and ends at scalar boundaries.
  package func split(
    _ text: UnsafeBufferPointer<UInt8>, range: Range<Int>, into pieces: inout [Range<Int>]
  ) {
    let scanner = PatternScanner(text: text, end: range.upperBound)
    var start = range.lowerBound
    while start < range.upperBound {
      let end =
        switch self {
        case .gpt2: scanner.gpt2(start)
        case .llama3: scanner.llama3(start, digits: 3)
        case .qwen2: scanner.llama3(start, digits: 1)
        case .tekken: scanner.cased(start, digits: 1, contractions: false)
        case .gpt4o: scanner.cased(start, digits: 3, contractions: true)
        case .singleNumbers: scanner.singleNumber(start)
        }
      pieces.append(start..<end)
      start = end
    }
  }
}

extension PreTokenizer.SplitMatcher {
  /// The hand-written scanner of a known expression, or the interpreter.
  ///
  /// Scanners cut the whole text, which is what isolating matches comes to. Some expressions leave spaces without a
  /// match, so with any other behaviour they are interpreted.
  init(expression: String, _ behavior: PreTokenizer.SplitBehavior = .isolated) throws {
    if let pattern = SplitPattern(expression: expression), behavior == .isolated || pattern == .singleNumbers
    {
      self = .pattern(pattern)
    } else {
      self = .expression(try Expression(expression))
    }
  }

  /// ASCII punctuation in the wide sense and everything of the category.
  static var punctuation: PreTokenizer.SplitMatcher {
    get throws { .expression(try Expression(#"[!-/:-@\[-`{-~\p{P}]"#)) }
  }
}
