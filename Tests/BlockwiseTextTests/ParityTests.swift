import BlockwiseFiles
import BlockwiseTestSupport
import BlockwiseText
import Testing

/// Vectors made with the reference libraries; every one has to agree in every token and every character.
@Suite(.enabled(if: SharedData.root != nil))
struct ParityTests {
  @Test(arguments: ["gpt2", "qwen", "llama-spm"])
  func `a real tokenizer agrees with the reference on every vector`(name: String) throws {
    let tokenizer = try TokenizerFixtures.tokenizer(name)
    let vectors = try TokenizerFixtures.vectors("parity/tokenizers/vectors-\(name).json")
    #expect(!vectors.isEmpty)
    for vector in vectors {
      let text = try vector.string("text")
      let ids = try #require(vector["ids"]?.tokens)
      #expect(tokenizer.encode(text, addSpecialTokens: false) == ids, "\(text.debugDescription)")
      let withSpecial = vector["ids_with_special"]?.tokens ?? ids
      #expect(tokenizer.encode(text) == withSpecial, "\(text.debugDescription)")
      let decoded = try vector.string("decoded")
      #expect(same(tokenizer.decode(ids), decoded), "\(ids)")
      let skipped = try vector.stringIfPresent("decoded_skip_special") ?? decoded
      #expect(same(tokenizer.decode(ids, skipSpecialTokens: true), skipped), "\(ids)")
      if let framed = try vector.stringIfPresent("decoded_with_special") {
        #expect(same(tokenizer.decode(withSpecial), framed), "\(withSpecial)")
      }
    }
  }

  @Test(arguments: ["gpt2", "qwen", "llama-spm"])
  func `a real tokenizer agrees with the published vectors`(name: String) throws {
    let tokenizer = try TokenizerFixtures.tokenizer(name)
    let vectors = try TokenizerFixtures.vectors("parity/tokenizers/published-\(name).json")
    #expect(!vectors.isEmpty)
    for vector in vectors {
      let text = try vector.string("text")
      #expect(
        tokenizer.encode(text, addSpecialTokens: false) == vector["ids"]?.tokens, "\(text.debugDescription)")
    }
  }

  @Test func `a GGUF SentencePiece vocabulary agrees with the published vectors`() throws {
    let path = try SharedData.path("parity/tokenizers/gguf/ggml-vocab-phi-3.gguf")
    let tokenizer = try Tokenizer.load(gguf: try GGUFFile(path: path))
    let vectors = try TokenizerFixtures.vectors("parity/tokenizers/published-gguf-phi-3.json")
    #expect(!vectors.isEmpty)
    for vector in vectors {
      let text = try vector.string("text")
      let ids = try #require(vector["ids"]?.tokens)
      #expect(tokenizer.encode(text, addSpecialTokens: false) == ids, "\(text.debugDescription)")
      #expect(same(tokenizer.decode(ids), text), "\(ids)")
    }
  }

  @Test func `the Llama 2 vocabulary gives the same tokens by scores as by merges`() throws {
    // The published vectors of phi-3 hold for Llama 2 too, and so do all other vectors without special tokens:
    // Phi-3 took the vocabulary over and put its own tokens behind it.
    let path = try SharedData.path("parity/tokenizers/gguf/ggml-vocab-phi-3.gguf")
    let byScores = try Tokenizer.load(gguf: try GGUFFile(path: path))
    for vector in try TokenizerFixtures.vectors("parity/tokenizers/vectors-llama-spm.json") {
      let text = try vector.string("text")
      if text.contains("<") { continue }
      #expect(
        byScores.encode(text, addSpecialTokens: false) == vector["ids"]?.tokens, "\(text.debugDescription)")
    }
  }

  @Test(arguments: ["llama", "qwen2", "qwen3"])
  func `a GGUF byte-level vocabulary agrees with the reference`(name: String) throws {
    let path = try SharedData.path("parity/gguf/\(name)/\(name)-Q8_0.gguf")
    let tokenizer = try Tokenizer.load(gguf: try GGUFFile(path: path))
    #expect(tokenizer.warnings == [])
    let expected = try TokenizerFixtures.json("parity/gguf/\(name)/expected.json")
    let prompt = try expected.string("prompt_text")
    #expect(tokenizer.encode(prompt) == expected["prompt_ids_check"]?.tokens)
    for file in try expected.array("files") {
      guard let greedy = file["greedy"] else { continue }
      #expect(tokenizer.encode(try greedy.string("prompt_text")) == greedy["prompt_ids"]?.tokens)
      let ids = try #require(greedy["new_ids"]?.tokens)
      #expect(same(tokenizer.decode(ids), try greedy.string("new_text")))
    }
  }

  @Test func `a GGUF file and the folder it was made from give the same tokens`() throws {
    let path = try SharedData.path("parity/gguf/llama/llama-Q8_0.gguf")
    let packed = try Tokenizer.load(gguf: try GGUFFile(path: path))
    let folder = try TokenizerFixtures.folder("parity/gguf/llama/hf")
    #expect(packed.bosToken == folder.bosToken)
    #expect(packed.eosToken == folder.eosToken)
    #expect(packed.vocabularyCount == folder.vocabularyCount)
    for vector in try TokenizerFixtures.vectors("parity/tokenizers/vectors-gpt2.json") {
      let text = try vector.string("text")
      let ids = folder.encode(text)
      #expect(packed.encode(text) == ids, "\(text.debugDescription)")
      #expect(same(packed.decode(ids), folder.decode(ids)))
    }
  }

  static let checkpoints = [
    "llama-rope3", "llama-tied", "qwen2", "qwen3", "qwen3-yarn", "qwen3-moe", "mistral-window", "gemma2",
    "gemma3-text", "phi3-longrope", "gpt-neox", "smollm3", "llada", "dream", "sdar", "fast-dllm-qwen",
  ]

  @Test(arguments: checkpoints)
  func `a checkpoint's own tokenizer agrees with the reference`(name: String) throws {
    let tokenizer = try TokenizerFixtures.folder("parity/models/\(name)")
    #expect(tokenizer.warnings == [])
    let expected = try TokenizerFixtures.json("parity/models/\(name)/expected.json")
    let vectors = try #require(expected["tokenizer"]?.arrayValue)
    for vector in vectors {
      let text = try vector.string("text")
      let ids = try #require(vector["ids"]?.tokens)
      #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)")
      // The diffusion fixtures hold the ids alone.
      if let bare = vector["ids_no_special"]?.tokens {
        #expect(tokenizer.encode(text, addSpecialTokens: false) == bare, "\(text.debugDescription)")
        #expect(same(tokenizer.decode(ids), try vector.string("decoded")), "\(ids)")
        #expect(
          same(tokenizer.decode(ids, skipSpecialTokens: true), try vector.string("decoded_skip")), "\(ids)")
      }
    }
    if let mask = try expected.integerIfPresent("mask_id") {
      #expect(tokenizer.maskToken == TokenID(mask))
    }
  }

  @Test func `the stories model's tokenizer reproduces its golden prompts and texts`() throws {
    let tokenizer = try TokenizerFixtures.folder("models/stories260K/hf")
    let golden = try TokenizerFixtures.json("models/stories260K/golden.json")
    let runs = try #require(golden["generation"]?.arrayValue)
    #expect(!runs.isEmpty)
    for run in runs {
      let prompt = try #require(run["prompt_ids"]?.tokens)
      let ids = try #require(run["greedy_ids"]?.tokens)
      #expect(tokenizer.encode(try run.string("prompt")) == prompt)
      #expect(same(tokenizer.decode(prompt + ids, skipSpecialTokens: true), try run.string("text")))
    }
  }
}

/// Equality scalar by scalar; `String` would take canonically equivalent texts for equal.
func same(_ first: String, _ second: String) -> Bool { first.utf8.elementsEqual(second.utf8) }
