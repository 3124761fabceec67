// swift-tools-version: 6.3
import PackageDescription

/// Whether this is the package that is worked on, and not one that another depends on, which SwiftPM and Xcode check out
/// to `.build/checkouts` and `SourcePackages/checkouts`. Who depends on it gets the libraries: what only the tool, the
/// examples and the tests need is neither fetched nor compiled for them.
let folders = Context.packageDirectory.split(separator: "/").dropLast().suffix(2)
let isRoot = !(folders.last == "checkouts" && [".build", "SourcePackages"].contains(folders.first))

let package = Package(
  name: "InstanceNorm",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "InstanceNorm", targets: ["InstanceNorm"]),
    .library(name: "Generators", targets: ["Generators"]),
    .library(name: "Training", targets: ["Training"]),
    .library(name: "ImageFiles", targets: ["ImageFiles"]),
    .library(name: "InstanceNormC", type: .dynamic, targets: ["InstanceNormC"]),
  ],
  targets: [
    // MARK: Public API
    .target(name: "InstanceNorm", dependencies: ["Tensors", "Operations", "ArrayFiles", "ModelFiles", "GPUBackends"]),
    .target(name: "Generators", dependencies: ["InstanceNorm", "ModelFiles", "CEmbeddedStyles"]),
    .target(name: "Training", dependencies: ["Generators", "ImageFiles", "Drawing"]),
    .target(name: "InstanceNormC", dependencies: ["CInstanceNorm", "Tensors", "Calls", "CPUKernels"]),
    .target(name: "ImageFiles", dependencies: ["Tensors", "ArrayFiles", "CVipsShims"]),

    // MARK: Implementation details
    .target(name: "CInstanceNorm"),
    .target(
      name: "CNormKernels",
      exclude: [
        "ByElement.h", "Forms.h", "Gradients.h", "Kernels.h", "Moments.h", "Normalize.h", "Parameters.h",
        "Rows.h", "SmallPlaneGradients.h", "SmallPlanes.h", "Vectors.h",
      ]),
    .target(
      name: "CElementKernels", dependencies: ["CNormKernels"],
      exclude: [
        "Binary.h", "Elements.h", "Functions.h", "Matrix.h", "Pointwise.h", "Rearrange.h", "Reduce.h", "Rounding.h",
        "Transpose.h", "Update.h", "Weigh.h",
      ]),
    .target(
      name: "CConvolutionKernels", dependencies: ["CNormKernels"],
      exclude: ["Dots.h", "Kernels.h", "Products.h", "Reading.h", "Winograd.h"]),
    .target(name: "CTensors"),
    .target(name: "Tensors", dependencies: ["CTensors"]),
    .target(name: "Calls", dependencies: ["Tensors"]),
    .target(
      name: "CPUKernels",
      dependencies: ["CTensors", "Tensors", "Calls", "CNormKernels", "CElementKernels", "CConvolutionKernels"]),
    .target(name: "GPUBackends", dependencies: ["Tensors", "Calls", "CGPUKernels"]),
    .target(name: "Operations", dependencies: ["Tensors", "Calls", "CPUKernels", "GPUBackends"]),
    .target(name: "CGPUKernels", exclude: ["Kernels", "PTX"]),
    .target(name: "CArrayFiles"),
    .target(name: "ArrayFiles", dependencies: ["Tensors", "Operations", "CArrayFiles"]),
    .target(name: "ModelFiles", dependencies: ["Tensors", "ArrayFiles"]),
    .target(name: "Drawing"),
    .target(name: "CEmbeddedStyles", exclude: ["styles.safetensors", "thumbnails"]),
    .target(name: "CVipsShims", exclude: ["LibVips.h"]),
  ]
)

if isRoot {
  package.products.append(.executable(name: "instnorm", targets: ["instnorm"]))
  package.dependencies.append(.package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"))
  package.targets += [
    // MARK: The tool
    .executableTarget(
      name: "instnorm",
      dependencies: [
        "InstanceNorm", "ArrayFiles", "Generators", "ImageFiles", "ModelFiles", "Training", "Conformance", "CProcess",
        "Figures", "Text",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .target(name: "Conformance", dependencies: ["InstanceNorm", "Text"]),
    .target(name: "Figures", dependencies: ["InstanceNorm", "Drawing", "Text"]),
    .target(name: "CProcess"),
    .target(name: "Text"),

    // MARK: Examples
    .executableTarget(name: "quickstart", dependencies: ["InstanceNorm"], path: "Examples/Quickstart"),
    .executableTarget(
      name: "paint-picture", dependencies: ["Generators", "ImageFiles"], path: "Examples/PaintPicture"),
    .target(name: "Rendering", dependencies: ["Tensors"], path: "Examples/Rendering"),
    .executableTarget(name: "render-scene", dependencies: ["ImageFiles", "Rendering"], path: "Examples/RenderScene"),
    .executableTarget(name: "render-styles", dependencies: ["ImageFiles", "Rendering"], path: "Examples/TrainStyles"),
    .executableTarget(
      name: "which-norm", dependencies: ["InstanceNorm", "Drawing"], path: "Examples/WhichNorm",
      exclude: ["README.md"]),

    // MARK: Tests
    .target(name: "TestSupport", dependencies: ["InstanceNorm", "Calls", "CPUKernels"], path: "Tests/TestSupport"),
    .testTarget(name: "CPUKernelsTests", dependencies: ["Tensors", "Calls", "CPUKernels", "TestSupport"]),
    .testTarget(name: "OperationsTests", dependencies: ["Tensors", "Calls", "CPUKernels", "Operations"]),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors", "ArrayFiles", "InstanceNorm", "TestSupport"]),
    .target(name: "StandInCUDA", dependencies: ["CGPUKernels"], path: "Tests/StandInCUDA", exclude: ["OpenCL.h"]),
    .testTarget(
      name: "GPUBackendsTests",
      dependencies: ["GPUBackends", "Calls", "CPUKernels", "InstanceNorm", "TestSupport", "StandInCUDA"]),
    .target(name: "WatchedSystem", path: "Tests/WatchedSystem"),
    .testTarget(name: "ArrayFilesTests", dependencies: ["ArrayFiles", "TestSupport", "WatchedSystem"]),
    .testTarget(name: "ModelFilesTests", dependencies: ["ModelFiles", "TestSupport"]),
    .testTarget(name: "InstanceNormTests", dependencies: ["InstanceNorm", "TestSupport"]),
    .testTarget(name: "GeneratorsTests", dependencies: ["Generators", "TestSupport"]),
    .testTarget(name: "InstanceNormCTests", dependencies: ["InstanceNormC", "InstanceNorm", "TestSupport"]),
    .testTarget(name: "TrainingTests", dependencies: ["Training", "InstanceNorm", "TestSupport"]),
    .testTarget(name: "ImageFilesTests", dependencies: ["ImageFiles", "TestSupport"]),
    .testTarget(
      name: "ToolTests",
      dependencies: [
        "InstanceNorm", "Generators", "ImageFiles", "Conformance", "Figures", "Drawing", "TestSupport", "instnorm",
        "paint-picture", "quickstart", "which-norm",
      ]),
  ]

  // Under the thread sanitizer, which takes ten times as long, only what has threads: without the tool, and what reads files.
  if Context.environment["INSTNORM_TESTS"] == "threads" {
    let others = ["ToolTests", "GeneratorsTests", "ModelFilesTests", "ImageFilesTests"]
    package.targets.removeAll { $0.type == .executable || others.contains($0.name) }
    package.products.removeAll { $0.name == "instnorm" }
  }
}
