import Foundation
import ImageFiles
import InstanceNorm
import TestSupport
import Testing

/// `instnorm apply`, run as a process on files.
@Suite struct ApplyTests: VerbSuite {
  let folder = TemporaryFolder()

  @Test(arguments: [DType.float16, .float32, .float64]) func `apply normalises arrays of rank 3, 4 and 5`(dtype: DType)
    throws
  {
    for shape in [[3, 6, 5], [2, 3, 6, 5], [2, 3, 2, 6, 5]] as [Shape] {
      let x = try Tensor.randomNormal(shape, mean: 3, seed: 1).to(dtype)
      try NPY.write(x, to: folder.file("x.npy"))
      _ = try run("apply", "x.npy", "-o", "y.npy")
      let y = try array("y.npy")
      #expect(y.shape == shape && y.dtype == dtype)
      let planeSize = shape.suffix(shape.rank == 5 ? 3 : 2).reduce(1, *)
      let expected = Reference(try x.doubles, maps: 3, planeSize: planeSize).y
      for (value, other) in zip(try y.doubles, expected) {
        #expect(abs(value - other) <= (dtype == .float16 ? 1e-3 : 1e-6) * max(1, abs(other)))
      }
    }
  }

  @Test func `apply takes scale, bias and epsilon, including negative numbers`() throws {
    let x = try Tensor.randomNormal([2, 3, 6, 5], seed: 1)
    try NPY.write(x, to: folder.file("x.npy"))
    _ = try run("apply", "x.npy", "-o", "y.npy", "--scale", "-1,2,0.5", "--bias", "-1,0,2", "--epsilon", "0.5")
    let expected = Reference(
      try x.doubles, maps: 3, planeSize: 30, scale: [-1, 2, 0.5], bias: [-1, 0, 2], epsilon: 0.5
    ).y
    for (value, other) in zip(try array("y.npy").doubles, expected) { #expect(abs(value - other) < 1e-5) }

    _ = try run("apply", "x.npy", "--output", "z.npy", "--bias=-2")
    let shifted = Reference(try x.doubles, maps: 3, planeSize: 30, bias: [-2, -2, -2]).y
    for (value, other) in zip(try array("z.npy").doubles, shifted) { #expect(abs(value - other) < 1e-5) }

    _ = try run("apply", "x.npy", "-o", "plain.npy", "--no-affine", "--device", "cpu", "--threads", "1")
    _ = try run("apply", "x.npy", "-o", "same.npy", "--device", "auto", "--threads", "3")
    #expect(try bytes(of: folder.file("plain.npy")) == bytes(of: folder.file("same.npy")))
  }

  @Test func `apply reads and writes the layout that is named`() throws {
    for shape in [[3, 6, 5], [2, 3, 6, 5], [2, 3, 2, 6, 5]] as [Shape] {
      let x = try Tensor.randomNormal(shape, mean: 3, seed: 1)
      try NPY.write(x, to: folder.file("x.npy"))
      _ = try run("apply", "x.npy", "-o", "y.npy")
      // The same with the maps last; an array of rank 3 is then (H, W, C).
      let batched = shape.rank == 3 ? try x.reshaped(to: Shape([1] + shape)) : x
      try NPY.write(batched.to(.nhwc), to: folder.file("last.npy"))
      if shape.rank == 3 { try NPY.write(array("last.npy").reshaped(to: [6, 5, 3]), to: folder.file("last.npy")) }
      _ = try run("apply", "last.npy", "-o", "last-y.npy", "--layout", "nhwc")
      var y = try array("last-y.npy")
      if shape.rank == 3 {
        #expect(y.shape == [6, 5, 3])
        try NPY.write(y.reshaped(to: [1, 6, 5, 3]), to: folder.file("last-y.npy"))
      }
      y = try array("last-y.npy", layout: .nhwc)
      // Sums are taken in another order.
      for (value, other) in zip(try y.doubles, try array("y.npy").doubles) { #expect(abs(value - other) < 1e-6) }
    }
  }

  @Test func `apply shows a picture as 0.5 + 0.25 y, and says so`() throws {
    let alpha = try Tensor(repeating: 1, shape: [1, 1, 20, 30])
    let picture = try picture("in.png", seed: 1, alpha: alpha)
    #expect(try run("apply", "in.png", "-o", "out.png") == "out.png shows 0.5 + 0.25 y, clipped to 0...1\n")
    let shown = try Picture(contentsOf: folder.file("out.png"))
    let y = Reference(try picture.colors.doubles, maps: 3, planeSize: 600).y
    for (value, other) in zip(try shown.colors.doubles, y) {
      #expect(abs(value - min(max(0.5 + 0.25 * other, 0), 1)) < 0.5 / 255 + 1e-6)
    }
    #expect(try #require(shown.alpha).doubles == alpha.doubles)

    // With a scale and a bias it is y itself.
    #expect(
      try run("apply", "in.png", "-o", "out.png", "--scale", "0.1", "--bias", "0.5")
        == "out.png shows y, clipped to 0...1\n")
    for (value, other) in zip(try Picture(contentsOf: folder.file("out.png")).colors.doubles, y) {
      #expect(abs(value - min(max(0.5 + 0.1 * other, 0), 1)) < 0.5 / 255 + 1e-6)
    }
  }

  @Test func `apply goes from pictures to arrays and back`() throws {
    let picture = try picture("in.png", seed: 2)
    #expect(try run("apply", "in.png", "-o", "y.npy") == "")
    #expect(try array("y.npy").shape == [1, 3, 20, 30])
    _ = try run("apply", "in.png", "-o", "last.npy", "--layout", "nhwc")
    #expect(try array("last.npy").shape == [1, 20, 30, 3])
    try NPY.write(picture.colors, to: folder.file("x.npy"))
    _ = try run("apply", "x.npy", "-o", "a.png")
    _ = try run("apply", "in.png", "-o", "b.png")
    #expect(try bytes(of: folder.file("a.png")) == bytes(of: folder.file("b.png")))
  }

  @Test func `apply uses weights, under a layer's name too`() throws {
    let x = try Tensor.randomNormal([1, 4, 6, 5], seed: 1)
    try NPY.write(x, to: folder.file("x.npy"))
    for name in [nil, "net.norm1"] {
      let norm = try InstanceNorm2D(numOfMaps: 4, name: name)
      norm.scale?.data = try .randomNormal([4], seed: 2)
      norm.bias?.data = try .randomNormal([4], seed: 3)
      try norm.save(to: folder.file("w.safetensors"))
      _ = try run("apply", "x.npy", "-o", "y.npy", "--weights", "w.safetensors")
      #expect(try bits(array("y.npy")) == bits(norm(x)))
    }
  }

  @Test func `apply takes the layer that is named from the file of a network`() throws {
    let x = try Tensor.randomNormal([2, 3, 6, 5], seed: 1)
    try NPY.write(x, to: folder.file("x.npy"))
    var tensors: [String: Tensor] = ["model.1.weight": try .ones([3, 3, 3, 3]), "model.1.bias": try .ones([3])]
    for name in ["model.2", "model.20", "head"] {
      tensors["\(name).weight"] = try .randomNormal([3], seed: UInt64(name.count))
      tensors["\(name).bias"] = try .randomNormal([3], seed: UInt64(name.count) + 10)
    }
    try SafetensorsFile.write(tensors, to: folder.file("w.safetensors"))
    for name in ["model.2", "head"] {
      _ = try run("apply", "x.npy", "-o", "y.npy", "--weights", "w.safetensors", "--layer", name)
      let norm = try InstanceNorm2D(numOfMaps: 3, name: name)
      try norm.load(from: folder.file("w.safetensors"))
      #expect(try bits(array("y.npy")) == bits(norm(x)))
    }
    // The only layer of normalisation needs no name, though there are others; nor does one that has no name.
    for name in ["model.2", ""] {
      let prefix = name.isEmpty ? "" : name + "."
      try SafetensorsFile.write(
        [
          prefix + "weight": tensors["model.2.weight"]!, prefix + "bias": tensors["model.2.bias"]!,
          "model.1.weight": .ones([3, 3, 3, 3]), "model.1.bias": .ones([3]),
        ], to: folder.file("one.safetensors"))
      _ = try run("apply", "x.npy", "-o", "a.npy", "--weights", "w.safetensors", "--layer", "model.2")
      _ = try run("apply", "x.npy", "-o", "b.npy", "--weights", "one.safetensors")
      _ = try run("apply", "x.npy", "-o", "c.npy", "--weights", "one.safetensors", "--layer", name)
      #expect(try bytes(of: folder.file("a.npy")) == bytes(of: folder.file("b.npy")))
      #expect(try bytes(of: folder.file("a.npy")) == bytes(of: folder.file("c.npy")))
    }
  }

  @Test func `apply --norm batch normalises by the running statistics in a file of weights`() throws {
    let x = try Tensor.randomNormal([2, 3, 6, 5], mean: 4, seed: 1)
    try NPY.write(x, to: folder.file("x.npy"))
    for affine in [true, false] {
      let tracking = try BatchNorm2D(numOfMaps: 3, affine: affine, name: "n")
      for seed in 2..<5 { try tracking(.randomNormal([4, 3, 6, 5], mean: 1, deviation: 3, seed: UInt64(seed))) }
      try tracking.save(to: folder.file("w.safetensors"))
      _ = try run("apply", "x.npy", "-o", "y.npy", "--norm", "batch", "--weights", "w.safetensors")
      tracking.evalMode()
      #expect(try bits(array("y.npy")) == bits(tracking(x)))
    }
    // A file without them, as this library writes of a layer that tracks none, leaves the data's own.
    try BatchNorm2D(numOfMaps: 3, trackRunningStats: false).save(to: folder.file("w.safetensors"))
    _ = try run("apply", "x.npy", "-o", "y.npy", "--norm", "batch", "--weights", "w.safetensors")
    _ = try run("apply", "x.npy", "-o", "z.npy", "--norm", "batch")
    #expect(try bytes(of: folder.file("y.npy")) == bytes(of: folder.file("z.npy")))
  }

  @Test func `an array of no values comes out as it went in, however many planes it has`() throws {
    for shape in [[1 << 62, 3, 1, 0], [1, 3, 0, 4], [1 << 40, 3, 8, 0]] as [Shape] {
      try NPY.write(.zeros(shape), to: folder.file("x.npy"))
      try NPY.write(.zeros([1, 3, 2, 2]), to: folder.file("style.npy"))
      _ = try run("apply", "x.npy", "-o", "y.npy")
      #expect(try array("y.npy").shape == shape)
      _ = try run("transfer", "x.npy", "style.npy", "-o", "z.npy")
      #expect(try array("z.npy").shape == shape)
    }
  }

  @Test func `apply normalises by what a type shares`() throws {
    let x = try Tensor.randomNormal([3, 4, 6, 5], mean: 2, seed: 1)
    try NPY.write(x, to: folder.file("x.npy"))
    for (kind, sharing) in [("batch", MomentSharing.batch), ("layer", .layer), ("group:2", .group(2))] {
      _ = try run("apply", "x.npy", "-o", "y.npy", "--norm", kind)
      let expected = Reference(
        try x.doubles, maps: 4, planeSize: 30, sets: planeSets(sharing, images: 3, maps: 4)
      ).y
      #expect(zip(try array("y.npy").doubles, expected).allSatisfy { abs($0 - $1) < 2e-6 })
    }
    _ = try run("apply", "x.npy", "-o", "a.npy", "--norm", "instance")
    _ = try run("apply", "x.npy", "-o", "b.npy")
    #expect(try bytes(of: folder.file("a.npy")) == bytes(of: folder.file("b.npy")))
  }
}
