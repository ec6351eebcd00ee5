import Blockwise

let model = try await LanguageModel.load("Models/base/base.gguf")
let session = try model.session()
for try await event in session.generate("Once upon a time") {
  if case .text(let text, _) = event { print(text, terminator: "") }
}
