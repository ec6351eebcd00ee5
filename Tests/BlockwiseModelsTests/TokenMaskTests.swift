import BlockwiseFiles
import BlockwiseModels
import BlockwiseTestSupport
import Testing

@Suite struct TokenMaskTests {
  @Test(arguments: [0, 1, 63, 64, 65, 130]) func `a mask behaves like a set`(count: Int) {
    for seed in UInt64(0)..<20 {
      var random = SplitMix(seed: seed)
      var mask = TokenMask(vocabularyCount: count)
      var other = mask
      var members: Set<Int> = []
      var others: Set<Int> = []
      for _ in 0..<100 where count > 0 {
        let token = Int.random(in: 0..<count, using: &random)
        if Bool.random(using: &random) {
          mask.insert(TokenID(token))
          members.insert(token)
        } else {
          mask.remove(TokenID(token))
          members.remove(token)
        }
        let second = Int.random(in: 0..<count, using: &random)
        other.insert(TokenID(second))
        others.insert(second)
      }
      func elements(_ mask: TokenMask) -> [Int] {
        var result: [Int] = []
        mask.forEach { result.append($0.index) }
        return result
      }
      #expect(elements(mask) == members.sorted(), "seed \(seed)")
      #expect(mask.count == members.count && mask.isEmpty == members.isEmpty)
      #expect(elements(mask.intersection(other)) == members.intersection(others).sorted())
      var union = mask
      union.formUnion(other)
      #expect(elements(union) == members.union(others).sorted())
      #expect((0..<count).allSatisfy { mask.contains(TokenID($0)) == members.contains($0) })
    }
  }

  @Test func `all means the vocabulary and nothing beyond it`() {
    var mask = TokenMask(vocabularyCount: 70, allowingAll: true)
    #expect(mask.count == 70)
    #expect(!mask.contains(70) && !mask.contains(-1) && mask.contains(69))
    mask.denyAll()
    #expect(mask.isEmpty && mask.onlyMember == nil)
    mask.insert(66)
    #expect(mask.onlyMember == 66)
    mask.insert(3)
    #expect(mask.onlyMember == nil)
    mask.allowAll()
    #expect(mask == TokenMask(vocabularyCount: 70, allowingAll: true))
  }

  @Test func `the intersection with a smaller vocabulary drops the rest`() {
    var mask = TokenMask(vocabularyCount: 200, allowingAll: true)
    mask.formIntersection(TokenMask(vocabularyCount: 65, allowingAll: true))
    #expect(mask.count == 65)
    var small = TokenMask(vocabularyCount: 65)
    small.formUnion(TokenMask(vocabularyCount: 200, allowingAll: true))
    #expect(small == TokenMask(vocabularyCount: 65, allowingAll: true))
  }
}
