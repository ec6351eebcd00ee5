internal import BlockwiseKernels
public import Foundation

extension LanguageModel {
  /// What passes over n rows cost on this machine.
  ///
  /// Read from `cache` where it holds a curve of this model file, processor, instruction set, thread count and
  /// arithmetic; else measured, which takes less than a second for a model of half a billion weights and grows with the
  /// model, and kept there. Later calls of the same model answer at once. A folder that cannot be read or written, or
  /// that holds damaged files, only costs the measurement.
  /// - Parameter cache: the folder for measured curves; nil keeps nothing.
  /// - Throws: what passes throw, and `CancellationError`.
  public func costCurve(cache: URL? = nil) async throws -> CostCurve {
    if let known = knownCostCurve.withLock({ $0 }) { return known }
    let store = cache.map { CostCurveCache(folder: $0) }
    let key = CostCurveKey(self)
    let curve: CostCurve
    if let key, let kept = store?.curve(for: key) {
      curve = kept
    } else {
      curve = try await CostProbe(model: network, contextLength: contextLength).measure()
      if let key { store?.store(curve, for: key) }
    }
    knownCostCurve.withLock { $0 = curve }
    return curve
  }
}
