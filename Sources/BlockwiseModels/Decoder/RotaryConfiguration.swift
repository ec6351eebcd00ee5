internal import Foundation

/// Rotary position embedding of a model: base, rotated dimensions, layout of the pairs and scaling for long contexts.
public struct RotaryConfiguration: Sendable, Hashable {
  /// Which elements of a head are rotated together.
  public enum Layout: Sendable, Hashable {
    /// Pairs `(i, i + d/2)`: safetensors checkpoints, and most GGUF architectures.
    case half
    /// Pairs `(2i, 2i + 1)`: GGUF files of architecture `llama`, whose q and k rows were permuted.
    case interleaved
  }

  /// How frequencies change for contexts beyond the one a model was trained on. The names are those of
  /// `rope_type` in config.json.
  public enum Scaling: Sendable, Hashable {
    case none
    case linear(factor: Double)
    /// θ grows with the longest position (NTK-aware); here decided once, by the context length.
    case dynamic(factor: Double, originalContext: Int)
    case yarn(
      factor: Double, originalContext: Int, betaFast: Double, betaSlow: Double, attentionFactor: Double,
      truncates: Bool)
    case longrope(short: [Double], long: [Double], originalContext: Int, attentionFactor: Double)
    case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContext: Int)
    /// Divisors per pair, as GGUF stores the llama3 rule in `rope_freqs.weight`.
    case divisors([Double])
  }

  /// The base θ of the geometric series of frequencies.
  public var base: Double
  /// Rotated elements of a head, even, from the front.
  public var dimension: Int
  /// Which elements form a pair.
  public var layout: Layout
  /// How frequencies change for long contexts.
  public var scaling: Scaling

  /// A rotary embedding from its parts.
  public init(base: Double, dimension: Int, layout: Layout = .half, scaling: Scaling = .none) {
    self.base = base
    self.dimension = dimension
    self.layout = layout
    self.scaling = scaling
  }

  /// The longest context that the scaling was made for, at least the model's own.
  package func extendedContext(_ contextLength: Int) -> Int {
    switch scaling {
    case .yarn(let factor, let original, _, _, _, _), .dynamic(let factor, let original):
      max(contextLength, Int(min(Double(original) * factor, 1_073_741_824)))
    case .none, .linear, .longrope, .llama3, .divisors: contextLength
    }
  }

  /// Factor on cos and sin (yarn and longrope), otherwise 1.
  package var attentionFactor: Double {
    switch scaling {
    case .yarn(_, _, _, _, let factor, _), .longrope(_, _, _, let factor): factor
    default: 1
    }
  }

  /// Angle per position of every pair, `dimension / 2` values.
  /// - Parameter contextLength: positions that will be used; decides the rules that depend on length once and for
  ///   all, because changing them later would invalidate cached keys.
  package func inverseFrequencies(contextLength: Int) -> [Double] {
    let pairs = dimension / 2
    let count = Double(dimension)
    func plain(_ base: Double) -> [Double] { (0..<pairs).map { pow(base, -2 * Double($0) / count) } }
    let frequencies = plain(base)
    switch scaling {
    case .none: return frequencies
    case .linear(let factor): return frequencies.map { $0 / factor }
    case .divisors(let divisors): return zip(frequencies, divisors).map { $0 / $1 }
    case .dynamic(let factor, let original):
      guard contextLength > original else { return frequencies }
      let growth = factor * Double(contextLength) / Double(original) - (factor - 1)
      return plain(base * pow(growth, count / (count - 2)))
    case .longrope(let short, let long, let original, _):
      return zip(frequencies, contextLength > original ? long : short).map { $0 / $1 }
    case .llama3(let factor, let low, let high, let original):
      return frequencies.map { frequency in
        let wavelength = 2 * Double.pi / frequency
        if wavelength < Double(original) / high { return frequency }
        if wavelength > Double(original) / low { return frequency / factor }
        let blend = (Double(original) / wavelength - low) / (high - low)
        return (1 - blend) * frequency / factor + blend * frequency
      }
    case .yarn(let factor, let original, let fast, let slow, _, let truncates):
      func dimensionWith(rotations: Double) -> Double {
        count * log(Double(original) / (rotations * 2 * Double.pi)) / (2 * log(base))
      }
      var low = dimensionWith(rotations: fast)
      var high = dimensionWith(rotations: slow)
      if truncates {
        low.round(.down)
        high.round(.up)
      }
      low = max(low, 0)
      high = min(high, count - 1)
      if low == high { high += 0.001 }
      return frequencies.enumerated().map { pair, frequency in
        let ramp = min(max((Double(pair) - low) / (high - low), 0), 1)
        return frequency / factor * ramp + frequency * (1 - ramp)
      }
    }
  }

  /// The factor on attention that yarn implies: `0.1 · ln(factor) + 1` (YaRN, arXiv 2309.00071, equation 22).
  package static func yarnAttentionFactor(_ factor: Double, scale: Double = 1) -> Double {
    factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1
  }

  /// The factor on attention that longrope implies: `√(1 + ln s / ln original)` with s the extension.
  package static func longropeAttentionFactor(extension factor: Double, originalContext: Int) -> Double {
    factor <= 1 ? 1 : (1 + log(factor) / log(Double(originalContext))).squareRoot()
  }
}
