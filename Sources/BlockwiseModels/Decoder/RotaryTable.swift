internal import Foundation

/// Cosines and sines per position, computed in f64 and stored in f32. Owned and grown by the engine's thread.
struct RotaryTable {
  let pairCount: Int
  private let frequencies: [Double]
  private let factor: Double
  /// `[positions, pairCount]` each.
  private(set) var cosines: [Float] = []
  private(set) var sines: [Float] = []
  private var positionCount = 0

  init(_ configuration: RotaryConfiguration, contextLength: Int) {
    frequencies = configuration.inverseFrequencies(contextLength: contextLength)
    factor = configuration.attentionFactor
    pairCount = frequencies.count
  }

  /// Bytes that ``extend(through:)`` would add.
  func missingByteCount(through position: Int) -> Int {
    max(0, (position / 256 + 1) * 256 - positionCount) * pairCount * 2 * MemoryLayout<Float>.stride
  }

  /// Makes the table cover positions up to and including `position`.
  mutating func extend(through position: Int) {
    guard position >= positionCount else { return }
    let end = (position / 256 + 1) * 256
    cosines.reserveCapacity(end * pairCount)
    sines.reserveCapacity(end * pairCount)
    for position in positionCount..<end {
      for frequency in frequencies {
        let angle = Double(position) * frequency
        cosines.append(Float(cos(angle) * factor))
        sines.append(Float(sin(angle) * factor))
      }
    }
    positionCount = end
  }

  /// Calls `body` with the cosines and sines of a position that the table covers.
  func withAngles(
    at position: Int, _ body: (_ cosines: UnsafePointer<Float>, _ sines: UnsafePointer<Float>) -> Void
  ) {
    cosines.withUnsafeBufferPointer { cosines in
      sines.withUnsafeBufferPointer { sines in
        guard let cosine = cosines.baseAddress, let sine = sines.baseAddress else { return }
        body(cosine + position * pairCount, sine + position * pairCount)
      }
    }
  }
}
