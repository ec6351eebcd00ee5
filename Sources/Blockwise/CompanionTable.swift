/// The table of n-grams that lies beside a model and is guessed from without being asked for (``NGramTable``).
///
/// It is called `draft.ngrams` and lies in the model's folder or, where the model is a folder, beside it; or it is called as the
/// model's file is, with `-draft.ngrams`. It must have been counted with the same vocabulary.
struct CompanionTable: Sendable, Hashable {
  static let name = "draft.ngrams"

  /// Where it is.
  var path: String
  /// Why it is not used; nil while nothing speaks against it.
  var refusal: String?
}
