// swift-tools-version: 6.3
import PackageDescription

let package = Package(
  name: "InstanceNorm",
  platforms: [.macOS(.v15)],
  products: [
    // MARK: Public API
    .library(name: "InstanceNorm", targets: ["InstanceNorm"]),
    .library(name: "ImageFiles", targets: ["ImageFiles"]),
    .library(name: "InstanceNormC", type: .dynamic, targets: ["InstanceNormC"]),
    .executable(name: "instnorm", targets: ["instnorm"]),
  ],
  traits: [
    .default(enabledTraits: ["Pictures"]),
    .trait(name: "Pictures", description: "The tool reads and writes pictures, and needs libvips for it."),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
  ],
  targets: [
    // MARK: Public API
    .target(name: "InstanceNorm", dependencies: ["Tensors", "ArrayFiles", "GPUBackends"]),
    .target(name: "InstanceNormC", dependencies: ["CInstanceNorm", "Tensors"]),
    .target(name: "ImageFiles", dependencies: ["Tensors", "ArrayFiles", "CVipsShims"]),
    .executableTarget(
      name: "instnorm",
      dependencies: [
        "InstanceNorm", "Drawing", .target(name: "ImageFiles", condition: .when(traits: ["Pictures"])),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // MARK: Implementation details
    .target(name: "CInstanceNorm"),
    .target(name: "CNormKernels", exclude: ["Kernels.h", "Vectors.h"]),
    .target(name: "Tensors", dependencies: ["CNormKernels"]),
    .target(name: "GPUBackends", dependencies: ["Tensors", "CGPUKernels"]),
    .target(name: "CGPUKernels", exclude: ["Kernels", "PTX"]),
    .target(name: "ArrayFiles", dependencies: ["Tensors"]),
    .target(name: "Drawing"),
    .target(name: "CVipsShims", dependencies: ["CVips"]),
    .systemLibrary(name: "CVips", pkgConfig: "vips", providers: [.apt(["libvips-dev"]), .brew(["vips"])]),

    // MARK: Examples
    .executableTarget(name: "quickstart", dependencies: ["InstanceNorm"], path: "Examples/Quickstart"),
    .executableTarget(name: "render-scene", dependencies: ["ImageFiles"], path: "Examples/RenderScene"),
    .executableTarget(
      name: "which-norm", dependencies: ["InstanceNorm", "Drawing"], path: "Examples/WhichNorm",
      exclude: ["README.md"]),

    // MARK: Tests
    .target(name: "TestSupport", dependencies: ["InstanceNorm"], path: "Tests/TestSupport"),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors", "ArrayFiles", "TestSupport"]),
    .target(name: "StandInCUDA", dependencies: ["CGPUKernels"], path: "Tests/StandInCUDA", exclude: ["OpenCL.h"]),
    .testTarget(
      name: "GPUBackendsTests", dependencies: ["GPUBackends", "InstanceNorm", "TestSupport", "StandInCUDA"]),
    .testTarget(name: "ArrayFilesTests", dependencies: ["ArrayFiles", "TestSupport"]),
    .testTarget(name: "InstanceNormTests", dependencies: ["InstanceNorm", "TestSupport"]),
    .testTarget(name: "InstanceNormCTests", dependencies: ["InstanceNormC", "InstanceNorm", "TestSupport"]),
    .testTarget(name: "ImageFilesTests", dependencies: ["ImageFiles", "TestSupport"]),
    .testTarget(
      name: "ToolTests",
      dependencies: ["InstanceNorm", "ImageFiles", "TestSupport", "instnorm", "quickstart", "which-norm"]),
  ]
)
