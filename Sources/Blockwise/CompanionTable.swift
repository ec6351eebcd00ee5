/// The table of n-grams that lies beside a model and is guessed from without being asked for (``NGramTable``).
///
/// It is called `draft.ngrams`, or as the model's file is, with `-draft.ngrams`, and lies where ``CompanionFiles`` looks. It must have been
/// counted with the same vocabulary; the first that can be used is.
struct CompanionTable: Sendable, Hashable {
  static let name = "draft.ngrams"

  /// Where it is.
  var path: String
  /// Why it is not used; nil while nothing speaks against it.
  var refusal: String?
}
