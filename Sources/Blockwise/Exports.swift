// The umbrella: `import Blockwise` is enough to load a model, generate, and write a decoder of one's own.
@_exported public import BlockwiseDecoding
@_exported public import BlockwiseFiles
@_exported public import BlockwiseModels
@_exported public import BlockwiseText
