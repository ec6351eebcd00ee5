import BlockwiseDecoding
import Testing

/// The text form of recipes.
@Suite struct RecipeTests {
  @Test func `a recipe is read and written`() throws {
    for text in [
      "block=ada(32,0.3,1,0) score=p1 commit=leap(0.9,0.75,4) revise=none cache=dual stop=eos-block",
      "block=fixed(32,8) score=margin commit=threshold(0.95) revise=none cache=sub stop=eos",
      "block=whole score=entropy commit=dream(512,0.001) revise=rcr(8) cache=prefix(4) stop=budget",
      "block=fixed(4) score=random commit=eb(0.35) revise=edit(0.9,16) cache=exact stop=eotp(0.9)",
      "block=fixed(64) score=p1 commit=klass(0.6,0.015,2) revise=wino(0.9) cache=none stop=budget",
    ] {
      #expect(try DenoiseRecipe.test(text).text == text)
    }
  }

  @Test func `slots that are left out keep their defaults, presets can be changed`() throws {
    #expect(
      try DenoiseRecipe.test("commit=factor").text
        == "block=fixed(8) score=p1 commit=factor(1) revise=none cache=none stop=budget")
    #expect(
      try DenoiseRecipe.test("fast-dllm commit=threshold(0.8)").text
        == "block=fixed(32) score=p1 commit=threshold(0.8) revise=none cache=dual stop=budget")
    for preset in DenoiseRecipe.presets {
      #expect(throws: Never.self) { try DenoiseRecipe.test(preset.name) }
    }
  }

  @Test(arguments: [
    ("commit=threshold(0.9", "threshold(0.9", "not closed"),
    ("block=fixed(32) commit=treshold(0.9)", "treshold", "threshold"),
    ("commit=threshold", "threshold", "needs threshold"),
    ("commit=threshold(high)", "high", "a number"),
    ("commit=threshold(0.9,1,2)", "2", "takes threshold, passes"),
    ("block=fixed(0)", "0", "whole number from 1"),
    ("block=fixed(8,16)", "16", "sub-block"),
    ("commit=leap(0.5,0.7)", "0.7", "anchors"),
    ("speed=fast", "speed", "slots are block"),
    ("fast-dlm", "fast-dlm", "no preset"),
    ("block=fixed(8) cache", "cache", "slot=policy"),
    ("commit=quota commit=factor", "commit=factor", "twice"),
    ("commit=filter(/no/such.safetensors)", "filter(/no/such.safetensors)", "such"),
    ("commit=hierarchy", "hierarchy", "not part of this version"),
    ("cache=none(3)", "3", "takes no values"),
    ("commit=threshold(nan)", "nan", "a number"),
  ])
  func `errors point at the word`(text: String, word: String, reason: String) throws {
    do {
      _ = try DenoiseRecipe.test(text)
      Issue.record("\(text) was accepted")
    } catch let error as RecipeError {
      let characters = Array(text)
      #expect(String(characters[error.range]) == word, "\(error)")
      #expect(error.reason.contains(reason), "\(error)")
      #expect(error.description.split(separator: "\n").count == 3)
    }
  }

  @Test func `recipes know whether they are lossy`() throws {
    #expect(try !DenoiseRecipe.test("commit=quota(0)").isLossy)
    #expect(try !DenoiseRecipe.test("commit=sequential(1) cache=exact").isLossy)
    #expect(try DenoiseRecipe.test("commit=threshold(0.9)").isLossy)
    #expect(try DenoiseRecipe.test("commit=quota(0) cache=dual").isLossy)
    #expect(try DenoiseRecipe.test("commit=quota(0) revise=edit").isLossy)
  }
}
