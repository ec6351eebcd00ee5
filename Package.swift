// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift target: complete concurrency checking comes with language mode 6,
/// and warnings are errors in our own targets only (the package manager lifts that for users of the package).
let swiftSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

let cSettings: [CSetting] = [
  // Results are pinned bit for bit: only the fused operations that are written out may be fused.
  .define("BLOCKWISE_KERNELS", to: "1"),
  .treatAllWarnings(as: .error),
]

func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: name + "Tests",
    dependencies: [.byName(name: name), "BlockwiseTestSupport"] + dependencies,
    swiftSettings: swiftSettings)
}

let package = Package(
  name: "blockwise",
  products: [
    .library(name: "Blockwise", targets: ["Blockwise"]),
    .executable(name: "blockwise", targets: ["BlockwiseCLI"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
  ],
  targets: [
    .target(name: "CBlockwiseKernels", cSettings: cSettings),
    library("BlockwiseKernels", ["CBlockwiseKernels"]),
    library("BlockwiseFiles", ["BlockwiseKernels"]),
    library("BlockwiseText", ["BlockwiseFiles"]),
    library("BlockwiseModels", ["BlockwiseKernels", "BlockwiseFiles"]),
    library("BlockwiseDecoding", ["BlockwiseModels", "BlockwiseFiles"]),
    library(
      "Blockwise",
      ["BlockwiseDecoding", "BlockwiseModels", "BlockwiseFiles", "BlockwiseText", "BlockwiseKernels"]),
    library(
      "BlockwiseConversion", ["BlockwiseModels", "BlockwiseFiles", "BlockwiseText", "BlockwiseKernels"]),
    library(
      "BlockwiseEvaluation",
      [
        "Blockwise", "BlockwiseDecoding", "BlockwiseFiles", "BlockwiseKernels", "BlockwiseModels",
        "BlockwiseText",
      ]),
    .executableTarget(
      name: "BlockwiseCLI",
      dependencies: [
        // Also what reaches the command line through Blockwise alone: a changed layout must compile it again.
        "Blockwise", "BlockwiseConversion", "BlockwiseDecoding", "BlockwiseEvaluation", "BlockwiseFiles",
        "BlockwiseKernels", "BlockwiseModels", "BlockwiseText",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: swiftSettings),

    .target(
      name: "BlockwiseTestSupport", dependencies: ["BlockwiseFiles"],
      path: "Tests/BlockwiseTestSupport", swiftSettings: swiftSettings),
    tests("BlockwiseKernels", []),
    tests("BlockwiseFiles", []),
    tests("BlockwiseText", ["BlockwiseFiles"]),
    tests("BlockwiseModels", ["BlockwiseKernels", "BlockwiseFiles"]),
    tests("BlockwiseDecoding", ["BlockwiseKernels", "BlockwiseModels", "BlockwiseFiles"]),
    tests(
      "Blockwise",
      ["BlockwiseDecoding", "BlockwiseEvaluation", "BlockwiseFiles", "BlockwiseModels", "BlockwiseText"]),
    tests(
      "BlockwiseConversion",
      ["Blockwise", "BlockwiseFiles", "BlockwiseKernels", "BlockwiseModels", "BlockwiseText"]),
    tests("BlockwiseEvaluation", ["Blockwise", "BlockwiseFiles", "BlockwiseModels"]),
    tests("BlockwiseCLI", []),
  ]
)
