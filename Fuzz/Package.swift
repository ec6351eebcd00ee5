// swift-tools-version: 6.2
import PackageDescription

/// Fuzz targets, a package of their own: the sanitizers and the entry point of libFuzzer stay out of the engine's.
let package = Package(
  name: "blockwise-fuzz",
  dependencies: [.package(name: "blockwise", path: "..")],
  targets: [
    .executableTarget(
      name: "BlockwiseFuzz",
      dependencies: [.product(name: "Blockwise", package: "blockwise")],
      swiftSettings: [
        .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"), .enableUpcomingFeature("MemberImportVisibility"),
      ])
  ]
)
