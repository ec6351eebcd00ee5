import BlockwiseDecoding
import Testing

@Suite struct DraftRecipeTests {
  @Test func `a recipe reads back as it is written`() throws {
    let recipe = try DraftRecipe("suffix(10,1.5):notes.txt+lookup,shape=best(7),accept=typical(0.1,0.2)")
    #expect(recipe.isLossy)
    let text = recipe.text
    #expect(try DraftRecipe(text).text == text)
    #expect(try DraftRecipe("none").sources.isEmpty)
    #expect(
      try DraftRecipe("auto").sources.map(\.text) == DraftRecipe(DraftRecipe.automatic).sources.map(\.text))
    #expect(try DraftRecipe("auto+model:a").sources.count == DraftRecipe("auto").sources.count + 1)
    #expect(try DraftRecipe("model(4):a/b").sources[0].path == "a/b")
    #expect(try DraftRecipe("model(4):a,accept=reject").shape.text == "all(64)")
  }

  @Test(arguments: [
    ("sufix", 0..<5), ("suffix+", 7..<8), ("suffix,shape=cots", 13..<17), ("suffix,shap=cost", 7..<11),
    ("suffix(0)", 7..<8), ("lookup:file", 7..<11), ("model", 0..<5),
    ("suffix,accept=exact,accept=exact", 20..<32),
    ("suffix(1,2,3)", 11..<12), ("falcon:heads", 0..<6), ("medusa", 0..<6), ("model:\"a", 6..<8),
    ("suffix,exact", 7..<12),
  ])
  func `a mistake is pointed at`(text: String, range: Range<Int>) {
    let error = #expect(throws: RecipeError.self) { try DraftRecipe(text) }
    #expect(error?.range == range, "\(error?.description ?? "")")
  }

  @Test func `names that are not built are refused with the reason`() {
    let error = #expect(throws: RecipeError.self) { try DraftRecipe("falcon:heads") }
    #expect(error?.reason.contains("not part of this version") == true)
  }

  @Test func `a path in quotes may hold what separates`() throws {
    let recipe = try DraftRecipe("suffix:\"a+b,c.txt\"+hydra(3):\"x,y\",shape=all")
    #expect(recipe.sources.map(\.path) == ["a+b,c.txt", "x,y"])
    #expect(try DraftRecipe(recipe.text).sources.map(\.path) == ["a+b,c.txt", "x,y"])
  }

  @Test func `drawn trees take no shape that looks at the draws`() {
    #expect(throws: RecipeError.self) { try DraftRecipe("model:a,shape=cost(8),accept=reject") }
  }
}
