internal import CBlockwiseKernels

/// A product that is ready to be computed tile by tile, in any order and on any thread.
///
/// A struct of pointers: matrix, input and output outlive it.
struct TileProduct {
  /// Outputs of one tile.
  static let tileRowCount = PackedMatrix.tileRowCount

  private let kernel: @convention(c) (UnsafePointer<bw_matmul>, Int, Int) -> Void
  private let arguments: bw_matmul
  let tileCount: Int
  /// Set where the matrix keeps its blocks.
  private let blocks: Blocks?

  /// Blocks of a file, of which a thread decodes a tile before it multiplies with it.
  private struct Blocks {
    let type: Int32
    let columns: Int
    let rowByteCount: Int
    let scratch: Unmanaged<TileScratch>
  }

  init(
    _ matrix: PackedMatrix, input: ActivationRows, rowCount: Int, output: UnsafeMutablePointer<Float>,
    outputStride: Int, bias: UnsafePointer<Float>?, mode: MatmulMode, kernels: Kernels
  ) {
    precondition(
      input.columnCount == matrix.columns,
      "input rows of \(input.columnCount) values for a matrix of \(matrix.columns) columns")
    precondition(rowCount >= 0 && rowCount <= input.capacity, "\(rowCount) rows of \(input.capacity)")
    let packed: UnsafeRawPointer
    switch matrix.storage {
    case .tiles(let memory):
      packed = UnsafeRawPointer(memory.base)
      blocks = nil
    // Stands for no tile: every tile is decoded when it is needed.
    case .blocks(let rows, let scratch):
      packed = UnsafeRawPointer(rows.memory.base)
      blocks = Blocks(
        type: rows.format.kernelType, columns: matrix.columns, rowByteCount: rows.rowByteCount,
        scratch: Unmanaged.passUnretained(scratch))
    }
    kernel = kernels.table.pointee.matmul
    tileCount = matrix.tileCount
    arguments = bw_matmul(
      packed: packed,
      tile_bytes: matrix.tileByteCount,
      format: matrix.format.kernelFormat,
      use_int8: mode.resolved(for: matrix.format) == .int8 ? 1 : 0,
      rows: matrix.rows,
      groups: input.groupCount,
      row_count: rowCount,
      x: input.values,
      x_stride: input.stride,
      panels: input.panels,
      y: output,
      y_stride: outputStride,
      bias: bias)
  }

  /// Whether every tile is decoded from the blocks of a file.
  var decodesBlocks: Bool { blocks != nil }

  /// About what all tiles take one thread whose cache holds the weights.
  var nanoseconds: Int {
    let weightCount = tileCount * Self.tileRowCount * arguments.groups * 32
    let products = weightCount * arguments.row_count / (arguments.use_int8 != 0 ? 200 : 40)
    return tileCount * arguments.tile_bytes / 36 + products + (decodesBlocks ? weightCount / 2 : 0)
  }

  /// All rows of some tiles, written where the output of the whole product has them.
  func compute(_ tiles: Range<Int>, worker: Int) {
    guard decodesBlocks else {
      withUnsafePointer(to: arguments) { kernel($0, tiles.lowerBound, tiles.upperBound) }
      return
    }
    compute(
      tiles, into: arguments.y + tiles.lowerBound * Self.tileRowCount, stride: arguments.y_stride,
      worker: worker)
  }

  /// All rows of some tiles, written to `[rowCount, tiles · 16]` elsewhere, rows `stride` apart.
  func compute(_ tiles: Range<Int>, into output: UnsafeMutablePointer<Float>, stride: Int, worker: Int) {
    guard let blocks else {
      var moved = moved(to: output, stride: stride, firstTile: tiles.lowerBound)
      moved.packed = arguments.packed + tiles.lowerBound * arguments.tile_bytes
      withUnsafePointer(to: moved) { kernel($0, 0, tiles.count) }
      return
    }
    for tile in tiles {
      let weights = blocks.scratch._withUnsafeGuaranteedRef {
        $0.tile(worker: worker, byteCount: arguments.tile_bytes)
      }
      bw_unpack_tile(
        blocks.type, blocks.columns, arguments.packed, blocks.rowByteCount, arguments.rows, tile, weights)
      var moved = moved(
        to: output + (tile - tiles.lowerBound) * Self.tileRowCount, stride: stride, firstTile: tile)
      moved.packed = UnsafeRawPointer(weights)
      withUnsafePointer(to: moved) { kernel($0, 0, 1) }
    }
  }

  /// The product from a tile on, with outputs elsewhere; the weights are still those of the whole.
  private func moved(to output: UnsafeMutablePointer<Float>, stride: Int, firstTile: Int) -> bw_matmul {
    var moved = arguments
    let firstRow = firstTile * Self.tileRowCount
    moved.rows -= firstRow
    moved.y = output
    moved.y_stride = stride
    moved.bias = moved.bias.map { $0 + firstRow }
    return moved
  }
}
