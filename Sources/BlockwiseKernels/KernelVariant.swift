internal import CBlockwiseKernels

/// An instruction set the kernels are written for. All variants give the same bits for finite numbers.
public enum KernelVariant: String, Sendable, Hashable, CaseIterable {
  /// Plain C, the reference; on every machine.
  case scalar
  /// x86-64 with AVX2, FMA and F16C.
  case avx2
  /// x86-64 with AVX-512 (F, BW, VL, DQ) and its VNNI extension.
  case avx512
  /// arm64 with the dot products of ARMv8.2; checked under emulation, not yet on a processor.
  case neon

  /// The name on the command line and in reports.
  public var name: String { rawValue }

  /// Whether this build holds the variant and this processor can run it.
  public var isAvailable: Bool { table != nil }

  /// What this machine can run, slowest first; never empty.
  public static var available: [KernelVariant] { allCases.filter(\.isAvailable) }

  /// The fastest variant this machine can run.
  public static var best: KernelVariant { available.last ?? .scalar }

  /// Whether the variant has vector code for products with weights of a format, rather than the reference's plain C.
  public func hasVectorProduct(_ format: WeightFormat) -> Bool {
    table?.pointee.has_product.map { $0(format.kernelFormat) != 0 } ?? false
  }

  var table: UnsafePointer<bw_kernels>? {
    switch self {
    case .scalar: bw_scalar_kernels()
    case .avx2: bw_avx2_kernels()
    case .avx512: bw_avx512_kernels()
    case .neon: bw_neon_kernels()
    }
  }
}
