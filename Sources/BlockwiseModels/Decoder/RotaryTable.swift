internal import BlockwiseKernels
internal import Foundation

/// Cosines and sines per position, computed in f64 and stored in f32. Owned and grown by the engine's thread.
struct RotaryTable {
  let pairCount: Int
  private let frequencies: [Double]
  private let factor: Double
  /// `[positions, pairCount]` each.
  private(set) var cosines: AlignedBuffer<Float>
  private(set) var sines: AlignedBuffer<Float>
  private var positionCount = 0

  init(_ configuration: RotaryConfiguration, contextLength: Int) throws(AllocationError) {
    frequencies = configuration.inverseFrequencies(contextLength: contextLength)
    factor = configuration.attentionFactor
    pairCount = frequencies.count
    cosines = try AlignedBuffer(count: 0)
    sines = try AlignedBuffer(count: 0)
  }

  /// Bytes that ``extend(through:)`` would add.
  func missingByteCount(through position: Int) -> Int {
    max(0, (position / 256 + 1) * 256 - positionCount) * pairCount * 2 * MemoryLayout<Float>.stride
  }

  /// Makes the table cover positions up to and including `position`.
  /// - Throws: ``AllocationError``; the table is then as it was.
  mutating func extend(through position: Int) throws(AllocationError) {
    guard position >= positionCount else { return }
    let end = (position / 256 + 1) * 256
    let (count, overflow) = end.multipliedReportingOverflow(by: pairCount)
    guard !overflow else { throw AllocationError(byteCount: nil) }
    let cosines = try AlignedBuffer<Float>(count: count)
    let sines = try AlignedBuffer<Float>(count: count)
    let known = positionCount * pairCount
    cosines.pointer.update(from: self.cosines.pointer, count: known)
    sines.pointer.update(from: self.sines.pointer, count: known)
    var index = known
    for position in positionCount..<end {
      for frequency in frequencies {
        let angle = Double(position) * frequency
        cosines.pointer[index] = Float(cos(angle) * factor)
        sines.pointer[index] = Float(sin(angle) * factor)
        index += 1
      }
    }
    (self.cosines, self.sines, positionCount) = (cosines, sines, end)
  }
}
