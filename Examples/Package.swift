// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that users of the library do not compile its examples:
// swift run --package-path Examples -c release Library
let package = Package(
  name: "Examples",
  dependencies: [.package(name: "blockwise", path: "..")],
  targets: [
    .executableTarget(
      name: "Library",
      dependencies: [.product(name: "Blockwise", package: "blockwise")],
      swiftSettings: [.swiftLanguageMode(.v6), .enableUpcomingFeature("MemberImportVisibility")])
  ]
)
