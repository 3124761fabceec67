// swift-tools-version: 6.3
import PackageDescription

// A package of its own, since every part of what is fuzzed is compiled for that.
let package = Package(
  name: "Fuzz",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "InstanceNorm", path: "../..")],
  targets: [
    .executableTarget(
      name: "FuzzReaders",
      dependencies: [
        .product(name: "InstanceNorm", package: "InstanceNorm"), .product(name: "ImageFiles", package: "InstanceNorm"),
      ])
  ]
)
